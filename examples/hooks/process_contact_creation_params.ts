// Contacts made by calls get the tag of the line, and a field of their own says where they come from.

interface Input {
  call_full: { channel: { trunk: { number: string; name: string } } };
  custom_fields_values: object[];
  tags: string[];
}

/** Id of your field "Source" in the CRM. */
const sourceField = 123456;

export default function processContactCreationParams({ call_full, custom_fields_values, tags }: Input) {
  const { trunk } = call_full.channel;
  return {
    state: 'success',
    data: {
      tags: [...tags.filter((tag) => tag !== 'Itgrix'), 'PBX', trunk.name].filter(Boolean),
      custom_fields_values: [
        ...custom_fields_values,
        { field_id: sourceField, values: [{ value: `Call to ${trunk.number}` }] },
      ],
    },
  };
}
