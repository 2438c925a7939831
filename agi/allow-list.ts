import { BlockList, isIP, isIPv6 } from 'node:net';

/** True for addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** True for an address (`192.168.1.5`, `fd00::5`) or a network (`192.168.1.0/24`). */
export function isAddressOrNetwork(text: string): boolean {
  const [address, bits, ...more] = text.split('/') as [string, ...string[]];
  if (more.length > 0 || isIP(address) === 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv6(address) ? 128 : 32));
}

/** A test for remote addresses, as sockets give them: true for those listed, and always for the machine itself. */
export function createAllowList(entries: readonly string[]): (remote: string | undefined) => boolean {
  const list = new BlockList();
  list.addSubnet('127.0.0.0', 8, 'ipv4');
  list.addAddress('::1', 'ipv6');
  for (const entry of entries) {
    const [address, bits] = entry.split('/') as [string, string?];
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (remote) => {
    // Gone before it could be looked at.
    if (remote === undefined) return false;
    const address = remote.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
    return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  };
}
