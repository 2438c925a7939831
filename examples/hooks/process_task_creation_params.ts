// A task that would be due when nobody works (Monday to Friday, 9 to 18, by the clocks of the service) is due an hour
// after the next opening.

interface Input {
  complete_till: number;
  text: string;
}

const opens = 9;
const closes = 18;

const isWorkday = (at: Date) => at.getDay() >= 1 && at.getDay() <= 5;
const isOpen = (at: Date) => isWorkday(at) && at.getHours() >= opens && at.getHours() < closes;

function findOpening(after: Date): Date {
  const at = new Date(after);
  at.setHours(opens, 0, 0, 0);
  while (at <= after || !isWorkday(at)) at.setDate(at.getDate() + 1);
  return at;
}

export default function processTaskCreationParams({ complete_till, text }: Input) {
  const due = new Date(complete_till * 1000);
  if (isOpen(due)) return { state: 'success', data: {} };
  const till = findOpening(due).getTime() / 1000 + 3600;
  return { state: 'success', data: { complete_till: till, text: `${text} (came in after hours)` } };
}
