import assert from 'node:assert/strict';
import { bookHouseForTests } from './book.ts';

type Row = Record<string, unknown> & { readonly id: string };

describe('the API of the built-in CRM', () => {
  const site = bookHouseForTests();

  async function call(
    method: string,
    path: string,
    json?: unknown,
    status = method === 'POST' ? 201 : 200,
  ): Promise<Row> {
    const response = await site.house.request(`/api/v1/${path}`, { method, json });
    const text = await response.text();
    assert.equal(response.status, status, text);
    return (text === '' ? {} : JSON.parse(text)) as Row;
  }
  const list = async (path: string) => (await call('GET', path))['items'] as Row[];
  const fieldsOf = (row: Row) =>
    ((row['error'] as { fields?: { field: string }[] } | undefined)?.fields ?? []).map(({ field }) => field);

  it('keeps contacts: made, found, changed, removed', async () => {
    const made = await call('POST', 'contacts', { name: 'Иван Ёлкин', numbers: ['8 (916) 111-00-02'], tags: ['vip'] });
    assert.deepEqual(made['numbers'], ['+79161110002']);
    for (const query of [
      'number=89161110002',
      'number=+79161110002',
      `text=${encodeURIComponent('елкин')}`,
      'text=1110002',
    ]) {
      assert.deepEqual(
        (await list(`contacts?${query}`)).map(({ id }) => id),
        [made.id],
        query,
      );
    }
    // Part of a number finds nobody where a whole number is asked for.
    assert.deepEqual(await list('contacts?number=1110002'), []);
    const changed = await call('PATCH', `contacts/${made.id}`, { company: 'Рога' });
    assert.deepEqual([changed['name'], changed['company']], ['Иван Ёлкин', 'Рога']);
    assert.deepEqual(await call('GET', `contacts/${made.id}`), changed);
    await call('DELETE', `contacts/${made.id}`, undefined, 204);
    await call('GET', `contacts/${made.id}`, undefined, 404);
    await call('DELETE', `contacts/${made.id}`, undefined, 404);
  });

  it('names the field of a contact that is wrong', async () => {
    assert.deepEqual(fieldsOf(await call('POST', 'contacts', { numbers: ['1'] }, 400)), ['name']);
    assert.deepEqual(fieldsOf(await call('POST', 'contacts', { name: 'x', numbers: [5], nam: 'y' }, 400)), [
      'numbers.0',
      'nam',
    ]);
    assert.deepEqual(fieldsOf(await call('POST', 'contacts', { name: 'x', numbers: ['no number'] }, 422)), ['number']);
    assert.deepEqual(fieldsOf(await call('POST', 'contacts', [], 400)), ['body']);
  });

  it('pages through contacts without losing or repeating one', async () => {
    for (let index = 0; index < 7; index++) await call('POST', 'contacts', { name: `Page ${index % 3}` });
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page: Row = await call(
        'GET',
        `contacts?text=page&limit=2${after === null ? '' : `&after=${encodeURIComponent(after)}`}`,
      );
      seen.push(...(page['items'] as Row[]).map(({ id }) => id));
      after = page['nextCursor'] as string | null;
    } while (after !== null);
    assert.equal(seen.length, 7);
    assert.equal(new Set(seen).size, 7);
    assert.deepEqual(fieldsOf(await call('GET', 'contacts?after=rubbish', undefined, 400)), ['after']);
  });

  it('keeps leads in pipelines and statuses that exist', async () => {
    const lead = await call('POST', 'leads', { name: 'Windows', pipelineId: 'sales', statusId: 'new' });
    assert.equal(lead['isOpen'], true);
    assert.equal((await call('PATCH', `leads/${lead.id}`, { statusId: 'won' }))['isOpen'], false);
    assert.deepEqual(
      (await list('leads?open=false')).map(({ id }) => id),
      [lead.id],
    );
    assert.deepEqual(await list('leads?open=true'), []);
    await call('POST', 'leads', { name: 'x', pipelineId: 'none', statusId: 'new' }, 422);
    await call('PATCH', 'leads/none', { name: 'x' }, 404);
  });

  it('keeps tasks and completes them once', async () => {
    const task = await call('POST', 'tasks', { text: 'Call back', dueAt: '2026-11-21T12:00:00+03:00' });
    assert.equal(task['dueAt'], '2026-11-21T09:00:00.000Z');
    const done = await call('POST', `tasks/${task.id}/complete`, undefined, 200);
    assert.ok(done['doneAt']);
    assert.equal((await call('POST', `tasks/${task.id}/complete`, undefined, 200))['doneAt'], done['doneAt']);
    assert.deepEqual(await list('tasks?done=false'), []);
    assert.equal((await list('tasks?done=true')).length, 1);
    assert.deepEqual(fieldsOf(await call('POST', 'tasks', { text: '', dueAt: 'tomorrow' }, 400)), ['text', 'dueAt']);
  });

  it('keeps employees, an extension with one of them', async () => {
    const anna = await call('POST', 'employees', { name: 'Anna', extensions: ['101'] });
    assert.equal(anna['isActive'], true);
    await call('POST', 'employees', { name: 'Boris', extensions: ['101'] }, 422);
    assert.deepEqual((await call('PATCH', `employees/${anna.id}`, { extensions: ['101', '109'] }))['extensions'], [
      '101',
      '109',
    ]);
    const hours = { days: { 1: [{ from: 540, to: 1080 }] }, holidays: ['2026-12-31'] };
    assert.deepEqual((await call('PATCH', `employees/${anna.id}`, { workingHours: hours }))['workingHours'], hours);
    assert.equal((await list('employees')).length, 1);
    assert.deepEqual(fieldsOf(await call('POST', 'employees', { name: 'x', extensions: ['1 0'] }, 400)), [
      'extensions.0',
    ]);
  });

  it('lists incoming leads and call notes', async () => {
    assert.deepEqual(await list('incoming-leads?state=unsorted'), []);
    assert.deepEqual(await list('call-notes'), []);
    await call('POST', 'incoming-leads/none/accept', undefined, 404);
    await call('POST', 'incoming-leads/none/decline', undefined, 404);
  });

  it('withstands whatever is put into texts, sorting and paging', async () => {
    const nasty = [
      "'; drop table local_contacts; --",
      '%',
      '_',
      '\\',
      '\u0000',
      '😀'.repeat(50),
      '"',
      '${jndi:x}',
      '../..',
    ];
    for (const text of nasty) {
      for (const name of ['text', 'number', 'responsibleId', 'sort', 'after', 'limit']) {
        const response = await site.house.request(`/api/v1/contacts?${name}=${encodeURIComponent(text)}`);
        assert.ok(
          [200, 400, 422].includes(response.status),
          `${name}=${text}: ${response.status} ${await response.text()}`,
        );
      }
    }
    assert.equal((await list('contacts?text=page')).length, 7);
  });
});
