// A name that people have given stays: calls change nothing of it.
export default function processContactUpdateParams(input) {
  const { call_full, id, name, ...kept } = input;
  const isOurs = name !== undefined && /^(Contact )?\+?\d+$/.test(call_full.entity?.name ?? '');
  return { state: 'success', data: isOurs ? { ...kept, name } : { ...kept, name: call_full.entity?.name ?? name } };
}
