import assert from 'node:assert/strict';
import { FakeKommo, type FakeKommoOptions } from '../../support/fake-kommo.ts';
import { FixedClock } from '../../support/fixed-clock.ts';

/** Tried without the adapter: what breaks the contract of API v4 must be refused, whoever sends it. */
describe('the played amoCRM account', () => {
  let clock: FixedClock;
  let fake: FakeKommo;
  let card: number;
  const start = async (options: Partial<FakeKommoOptions> = {}) => {
    clock = new FixedClock();
    fake = await FakeKommo.start({ clock, ...options });
    card = fake.addCard('contacts', { name: 'Иван', phones: ['8 (916) 111-00-02'] }).id;
  };
  afterEach(async () => {
    fake.violations.length = 0;
    await fake.close();
  });

  async function ask(method: string, path: string, body?: unknown, token: string | null = 'long-lived') {
    const response = await fetch(`${fake.address}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const type = response.headers.get('content-type') ?? '';
    return {
      status: response.status,
      type,
      text,
      json: type.includes('json') && text !== '' ? JSON.parse(text) : null,
    };
  }
  interface Refusal {
    readonly 'validation-errors': { request_id: string; errors: { path: string; code: string }[] }[];
  }

  const call = { direction: 'inbound', duration: 3, source: 'pbx', phone: '+79161110002' };
  const note = { note_type: 'call_in', params: { duration: 3, source: 'pbx', phone: '1' } };
  const task = { text: 'Call', complete_till: 1_795_246_371 };
  const request = {
    source_uid: 'pbx',
    source_name: 'PBX',
    metadata: {
      from: '1',
      phone: '2',
      called_at: 1_795_246_371,
      duration: 0,
      link: 'https://x.example.org/1',
      service_code: 'pbx',
    },
  };
  const without = (fields: object, name: string) =>
    Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));

  it('takes what is right', async () => {
    await start();
    for (const [path, body] of [
      ['/api/v4/calls', [{ ...call, call_status: 7, call_responsible: 'Anna', created_by: 0 }]],
      ['/api/v4/contacts/notes', [{ ...note, entity_id: card }]],
      ['/api/v4/tasks', [{ ...task, entity_id: card, entity_type: 'contacts' }]],
      [
        '/api/v4/leads',
        [{ name: 'a', price: 5, status_id: 23, pipeline_id: 11, _embedded: { contacts: [{ id: card }] } }],
      ],
      ['/api/v4/contacts', [{ custom_fields_values: [{ field_id: 405, values: [{ value: true }] }] }]],
      ['/api/v4/leads/unsorted/sip', [request]],
    ] as const) {
      const answer = await ask('POST', path, body);
      assert.deepEqual([answer.status, answer.type], [200, 'application/hal+json'], `${path}: ${answer.text}`);
    }
    const event = { type: 'phone_call', phone_number: '1' };
    assert.deepEqual(
      await ask('POST', '/api/v2/events/', { add: [event] }).then(({ status, json }) => [status, json]),
      [202, {}],
    );
    assert.equal((await ask('PATCH', `/api/v4/contacts/${card}`, { name: 'Пётр' })).status, 200);
    assert.deepEqual(fake.violations, []);
  });

  const wrong: Record<string, () => readonly [path: string, body: unknown, field: string]> = {
    'a contact that is no list': () => ['/api/v4/contacts', { name: 'a' }, ''],
    'more than 250 contacts': () => ['/api/v4/contacts', Array.from({ length: 251 }, () => ({})), ''],
    'a field that contacts do not have': () => [
      '/api/v4/contacts',
      [{ custom_fields_values: [{ field_id: 999, values: [{ value: '1' }] }] }],
      'custom_fields_values.0.field_id',
    ],
    'a kind of number that the field does not have': () => [
      '/api/v4/contacts',
      [{ custom_fields_values: [{ field_code: 'PHONE', values: [{ value: '1', enum_code: 'BOAT' }] }] }],
      'custom_fields_values.0.values.0.enum_code',
    ],
    'a responsible as text': () => ['/api/v4/contacts', [{ responsible_user_id: '501' }], 'responsible_user_id'],
    'a responsible of nobody': () => ['/api/v4/contacts', [{ responsible_user_id: null }], 'responsible_user_id'],
    'a responsible who is not there': () => ['/api/v4/contacts', [{ responsible_user_id: 9 }], 'responsible_user_id'],
    'tags as plain words': () => ['/api/v4/contacts', [{ _embedded: { tags: ['a'] } }], '_embedded.tags.0'],
    'a price as text': () => ['/api/v4/leads', [{ price: '5' }], 'price'],
    'an unknown pipeline': () => ['/api/v4/leads', [{ pipeline_id: 12 }], 'pipeline_id'],
    'a status of no pipeline': () => ['/api/v4/leads', [{ status_id: 99 }], 'status_id'],
    'a lead of a contact that is not there': () => [
      '/api/v4/leads',
      [{ _embedded: { contacts: [{ id: 1 }] } }],
      '_embedded.contacts.0.id',
    ],
    ...Object.fromEntries(
      Object.keys(call).map((name) => [`a call without ${name}`, () => ['/api/v4/calls', [without(call, name)], name]]),
    ),
    'another direction': () => ['/api/v4/calls', [{ ...call, direction: 'in' }], 'direction'],
    'a status of a call beyond 7': () => ['/api/v4/calls', [{ ...call, call_status: 9 }], 'call_status'],
    'a duration with a fraction': () => ['/api/v4/calls', [{ ...call, duration: 1.5 }], 'duration'],
    milliseconds: () => ['/api/v4/calls', [{ ...call, created_at: 1_795_246_371_000 }], 'created_at'],
    'a path for a link': () => ['/api/v4/calls', [{ ...call, link: '/var/spool/1.wav' }], 'link'],
    'a call with call_full': () => ['/api/v4/calls', [{ ...call, call_full: {} }], ''],
    'another type of note': () => [
      '/api/v4/contacts/notes',
      [{ ...note, entity_id: card, note_type: 'x' }],
      'note_type',
    ],
    'a note of nothing': () => ['/api/v4/contacts/notes', [note], 'entity_id'],
    'a note of a contact that is not there': () => ['/api/v4/contacts/notes', [{ ...note, entity_id: 1 }], 'entity_id'],
    'a task without text': () => ['/api/v4/tasks', [without(task, 'text')], 'text'],
    'a task without an end': () => ['/api/v4/tasks', [without(task, 'complete_till')], 'complete_till'],
    'a task of an id of no kind': () => ['/api/v4/tasks', [{ ...task, entity_id: card }], 'entity_type'],
    'a task of a kind in the singular': () => [
      '/api/v4/tasks',
      [{ ...task, entity_id: card, entity_type: 'contact' }],
      'entity_type',
    ],
    'a request without source_uid': () => [
      '/api/v4/leads/unsorted/sip',
      [without(request, 'source_uid')],
      'source_uid',
    ],
    'a request without source_name': () => [
      '/api/v4/leads/unsorted/sip',
      [without(request, 'source_name')],
      'source_name',
    ],
    ...Object.fromEntries(
      Object.keys(request.metadata).map((name) => [
        `a request without metadata.${name}`,
        () => [
          '/api/v4/leads/unsorted/sip',
          [{ ...request, metadata: without(request.metadata, name) }],
          `metadata.${name}`,
        ],
      ]),
    ),
    'a card of another type': () => ['/api/v2/events/', { add: [{ type: 'call', phone_number: '1' }] }, 'add.0.type'],
    'a card for users as text': () => [
      '/api/v2/events/',
      { add: [{ type: 'phone_call', phone_number: '1', users: ['501'] }] },
      'add.0.users.0',
    ],
  };
  for (const [what, write] of Object.entries(wrong)) {
    it(`refuses ${what}`, async () => {
      await start();
      const [path, body, field] = write();
      const answer = await ask('POST', path, body);
      assert.deepEqual([answer.status, answer.type], [400, 'application/problem+json'], answer.text);
      const [refused] = (answer.json as Refusal)['validation-errors'];
      assert.equal(refused!.errors[0]!.path, field);
      assert.deepEqual(
        [fake.contacts.length, fake.leads.length, fake.tasks.length, fake.notes.length, fake.shownCards.length],
        [1, 0, 0, 0, 0],
      );
    });
  }

  it('names the item that is wrong by its own id, or its place', async () => {
    await start();
    const refusedOf = async (items: object[]) =>
      ((await ask('POST', '/api/v4/tasks', items)).json as Refusal)['validation-errors'][0]!.request_id;
    assert.equal(await refusedOf([task, { text: 'x' }]), '1');
    assert.equal(await refusedOf([task, { text: 'x', request_id: 'mine' }]), 'mine');
  });

  it('knows nobody by an unknown number, in words of their own', async () => {
    await start();
    const answer = await ask('POST', '/api/v4/calls', [{ ...call, phone: '+79160000000' }]);
    assert.equal(answer.status, 400);
    const { errors, _total_items: total, ...rest } = answer.json as Record<string, unknown>;
    assert.deepEqual([(errors as { title: string }[])[0]!.title, total], ['Entity not found', 0]);
    assert.ok(!('validation-errors' in rest));
  });

  it('answers an empty list with nothing, pages to 250, and a wrong token in its own shape', async () => {
    await start();
    assert.deepEqual(await ask('GET', '/api/v4/leads').then(({ status, text }) => [status, text]), [204, '']);
    assert.equal((await ask('GET', '/api/v4/contacts?limit=251')).status, 400);
    assert.equal((await ask('GET', '/api/v4/contacts?limit=250')).status, 200);
    assert.equal((await ask('GET', '/api/v4/leads/unsorted/gone')).status, 404);
    const { status, json } = await ask('GET', '/api/v4/account', undefined, 'guess');
    assert.deepEqual([status, (json as { status: number }).status], [401, 401]);
    fake.isAdministrator = false;
    assert.equal((await ask('GET', '/api/v4/users')).status, 403);
  });

  it('takes codes and refresh tokens once and in time', async () => {
    await start();
    const { id, secret, redirectUri } = fake.client;
    const exchange = async (grant: object, client_secret = secret) => {
      const body = { client_id: id, client_secret, redirect_uri: redirectUri, ...grant };
      const { status, json } = await ask('POST', '/oauth2/access_token', body, null);
      const { hint, refresh_token } = json as { hint?: string; refresh_token?: string };
      return { status, hint, token: refresh_token };
    };
    const code = (text: string) => exchange({ grant_type: 'authorization_code', code: text });
    const refresh = (text: string) => exchange({ grant_type: 'refresh_token', refresh_token: text });
    const [first, late] = [fake.issueCode(), fake.issueCode()];
    const given = await code(first);
    assert.equal(given.status, 200);
    assert.deepEqual(await code(first).then(({ status, hint }) => [status, hint]), [
      400,
      'Authorization code has been revoked',
    ]);
    assert.equal((await refresh(given.token!)).status, 200);
    assert.deepEqual(await refresh(given.token!).then(({ status, hint }) => [status, hint]), [
      401,
      'Token has been revoked',
    ]);
    assert.equal((await exchange({ grant_type: 'authorization_code', code: late }, 'wrong')).status, 401);
    clock.advance(20 * 60_000 + 1_000);
    assert.equal((await code(late)).hint, 'Authorization code has expired');
  });

  it('answers too many requests without JSON, and who goes on with a ban on everything', async () => {
    await start({ requestsPerSecond: 7, banAfter: 3 });
    const answers = [];
    for (let index = 0; index < 11; index += 1) answers.push(await ask('GET', '/api/v4/account'));
    const statuses = answers.map(({ status }) => status);
    assert.deepEqual(statuses, [...Array(7).fill(200), 429, 429, 429, 403]);
    assert.ok(answers.slice(7).every(({ type, text }) => type === 'text/html' && !text.startsWith('{')));
  });
});
