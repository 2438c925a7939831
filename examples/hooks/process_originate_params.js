// Click-to-call: employees of the second office (2xx) call over its trunk, and numbers are dialled with 8.
// [office-two-out] is a context of your own dialplan: exten => _8XXXXXXXXXX,1,Dial(PJSIP/${EXTEN}@office-two)
export default function processOriginateParams({ params }) {
  const phone = /(\d+)@/.exec(params.channel)?.[1] ?? '';
  const extension = params.extension.replace(/^\+7/, '8');
  return {
    state: 'success',
    data: phone.startsWith('2') ? { extension, context: 'office-two-out' } : { extension },
  };
}
