// Clients with the tag VIP are shown as such and go to the head of sales when nobody is responsible.
export default function customizeAutodistribution({ number, name, entity }) {
  const isVip = entity?.tags.some((tag) => tag.toLowerCase() === 'vip') ?? false;
  if (!isVip) return { state: 'success', data: {} };
  return { state: 'success', data: { number: number || '100', name: `VIP ${name}` } };
}
