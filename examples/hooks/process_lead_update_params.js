// A lead that a call moves on is marked with the line of the call.
export default function processLeadUpdateParams({ call_full, _embedded }) {
  const tags = [...(_embedded?.tags ?? []), { name: `line ${call_full.channel.trunk.name}` }];
  return { state: 'success', data: { _embedded: { ..._embedded, tags } } };
}
