// The CRM holds Russian numbers as 8 and ten digits; what is called is told as it came.
export default function processClientPhone({ phone }) {
  const national = /^(?:\+7|7|8)(\d{10})$/.exec(phone);
  return { state: 'success', data: { phone: national === null ? phone : `8${national[1]}` } };
}
