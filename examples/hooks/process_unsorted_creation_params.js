// Requests from the number of the second office go to its pipeline and say so.
const secondOffice = { number: '+74957654321', pipeline: 7 };

export default function processUnsortedCreationParams({ call_full, _embedded }) {
  if (call_full.channel.trunk.number !== secondOffice.number) return { state: 'success', data: {} };
  const leads = _embedded.leads.map((lead) => ({ ...lead, name: `${lead.name} (office 2)` }));
  return { state: 'success', data: { pipeline_id: secondOffice.pipeline, _embedded: { ..._embedded, leads } } };
}
