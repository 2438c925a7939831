import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createSpoken } from '../../src/web/ui/i18n/spoken.ts';
import { bookHouseForTests } from './book.ts';

const say = createSpoken(
  JSON.parse(readFileSync(new URL('../../src/web/ui/i18n/findings.ru.json', import.meta.url), 'utf8')) as Readonly<
    Record<string, string>
  >,
);

const moment = '2026-11-27T08:00:00Z';
/** What a form sends when all is well. */
const forms = {
  contacts: { name: 'Иван', company: 'Рога', numbers: ['+79161110002'], responsibleId: null, tags: [] },
  leads: { name: 'Окна', pipelineId: 'sales', statusId: 'new', contactId: null, responsibleId: null, tags: [] },
  tasks: { text: 'Перезвонить', dueAt: moment, responsibleId: null, contactId: null, leadId: null },
  employees: { name: 'Анна', extensions: ['101'], email: null, deputies: [], mobile: null, isActive: true },
} as const;
const wrong: readonly unknown[] = [
  ...['', 'Ω', 'Ω'.repeat(6000), -1, 1.5, true, null, {}, [], [''], ['Ω'], [1], ['Ω'.repeat(200)]],
  Array(600).fill('1'),
];

describe('what is wrong with a form of the built-in CRM', () => {
  const site = bookHouseForTests();

  interface Answer {
    readonly id?: string;
    readonly error?: { readonly message: string; readonly fields?: readonly { readonly message: string }[] };
  }
  const send = async (method: string, path: string, json: unknown): Promise<Answer> =>
    (await (await site.house.request(`/api/v1/${path}`, { method, json })).json()) as Answer;
  const faultsOf = ({ error }: Answer) =>
    error === undefined ? [] : (error.fields?.map(({ message }) => message) ?? [error.message]);

  for (const [path, form] of Object.entries(forms)) {
    it(`is told in Russian: ${path}`, async () => {
      const { id } = await send('POST', path, form);
      assert.ok(id !== undefined, 'the form is right as it is');
      const faults = new Set<string>();
      for (const field of [...Object.keys(form), 'stranger']) {
        for (const value of wrong) {
          for (const [method, place] of [['POST', path] as const, ['PATCH', `${path}/${id}`] as const])
            for (const fault of faultsOf(await send(method, place, { ...form, [field]: value }))) faults.add(fault);
        }
        const lacking = Object.fromEntries(Object.entries(form).filter(([key]) => key !== field));
        for (const fault of faultsOf(await send('POST', path, lacking))) faults.add(fault);
      }
      for (const fault of faultsOf(await send('POST', path, {}))) faults.add(fault);
      for (const fault of faultsOf(await send('PATCH', `${path}/99999`, form))) faults.add(fault);
      assert.ok(faults.size > 8, [...faults].join('\n'));
      assert.deepEqual(
        [...faults].filter((fault) => say(fault) === fault),
        [],
        'without a Russian sentence: add it to findings.ru.json',
      );
    });
  }
});
