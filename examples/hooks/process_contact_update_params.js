// A contact that nobody is responsible for belongs to whoever talks with the client first.
export default function processContactUpdateParams({ call_full }) {
  const talk = call_full.conversations[call_full.active_conversation_id];
  const isFree = call_full.entity !== null && call_full.entity.responsible_user_id === null;
  if (!isFree || !talk?.channel.was_answered || talk.user === null) return { state: 'success', data: {} };
  return { state: 'success', data: { responsible_user_id: talk.user.id } };
}
