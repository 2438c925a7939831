// An open lead is marked with the lines that its client calls on.
export default function processLeadUpdateParams({ call_full }) {
  const line = call_full.channel.trunk.name;
  return { state: 'success', data: line === '' ? {} : { _embedded: { tags: [{ name: `line ${line}` }] } } };
}
