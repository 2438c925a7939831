import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Knex } from 'knex';
import { Rejected } from '../../../src/core/errors.ts';
import type { Contact, IncomingCallCard } from '../../../src/core/ports.ts';
import { fromLocalTime, toLocalTime } from '../../../src/crm/retailcrm/mapping.ts';
import { until } from '../../support/until.ts';
import { aCall, aContact, aConversation, aRegistration, testCrmAdapter } from '../conformance.ts';
import { clientToken, makeRetailcrm, retailcrmCapabilities, type RetailcrmUnderTest } from './retailcrm-under-test.ts';

const noDatabase = { client: { driverName: 'none' } } as unknown as Knex;
const live = () => ({ signal: new AbortController().signal, isUrgent: true });

describe('the telephony of a retailCRM', () => {
  let crm: RetailcrmUnderTest;
  const make = async (...options: Parameters<typeof makeRetailcrm> extends [unknown, ...infer Rest] ? Rest : never) => {
    crm = await makeRetailcrm(noDatabase, ...options);
    return crm;
  };
  afterEach(() => crm.close());

  describe('its integration', () => {
    it('is shown as a difference, sent, and read back', async () => {
      const { setup, fake } = await make({ settings: { lines: { '+74951234567': 'main' } } });
      const changes = await setup.plan();
      const to = (field: string) => changes.find((change) => change.field === field)?.to;
      assert.equal(to('makeCallUrl'), 'https://calls.example.org/retailcrm/shop/make-call');
      assert.equal(to('changeUserStatusUrl'), 'https://calls.example.org/retailcrm/shop/user-status');
      assert.deepEqual(['additionalCodes 101', 'additionalCodes 102', 'externalPhones +74951234567'].map(to), [
        '1',
        '2',
        'main',
      ]);
      assert.ok(!JSON.stringify(changes).includes(clientToken), 'the secret is not told');
      assert.equal(fake.modules.size, 0, 'nothing is sent by looking');

      assert.deepEqual(await setup.apply(), []);
      assert.deepEqual(await setup.plan(), []);
      const module = fake.modules.get('ringledger')!;
      const { telephony } = module.integrations;
      assert.deepEqual([module.clientId, telephony.clientId], [clientToken, clientToken]);
      assert.deepEqual(telephony.additionalCodes, [
        { userId: '1', code: '101' },
        { userId: '2', code: '102' },
      ]);
      assert.deepEqual(
        [telephony.inputEventSupported, telephony.outputEventSupported, telephony.hangupEventSupported],
        [true, true, true],
      );
      // What somebody changes in the CRM shows.
      telephony.additionalCodes!.pop();
      assert.deepEqual(await setup.plan(), [{ field: 'additionalCodes 102', from: null, to: '2' }]);
    });

    it('is what API v4 calls a setting', async () => {
      const { setup, fake } = await make({ fake: { versions: ['3.0', '4.0'] } });
      await setup.apply();
      assert.equal(fake.modules.size, 0);
      assert.equal(fake.configurations.get('ringledger')!.clientId, clientToken);
      assert.deepEqual(await setup.plan(), []);
    });

    it('is told with the remarks of the CRM when it does not know a shop', async () => {
      const { setup } = await make({ settings: { lines: { '+74951234567': 'elsewhere' } } });
      assert.deepEqual(await setup.apply(), ['notExistSiteCodes: elsewhere']);
      assert.deepEqual(
        (await setup.plan()).map(({ field }) => field),
        ['externalPhones +74951234567'],
      );
    });

    it('is as configured also when the CRM keeps the secret to itself and numbers in its own writing', async () => {
      const { setup, fake, adapter } = await make({ settings: { lines: { '+7 (495) 123-45-67': 'main' } } });
      Object.assign(fake.ways, { hidesClientId: true, keepsDigitsOnly: true });
      assert.ok(
        (await setup.plan()).some(({ field }) => field === 'clientId'),
        'nothing is registered yet',
      );
      await setup.apply();
      assert.deepEqual(await setup.plan(), []);
      assert.equal((await adapter.check()).find(({ part }) => part === 'crm:shop integration')!.health, 'ok');
      fake.ways.hidesClientId = false;
      fake.modules.get('ringledger')!.integrations.telephony.clientId = 'of somebody else';
      assert.deepEqual(await setup.plan(), [
        { field: 'clientId', from: 'another secret', to: 'the secret of the configuration' },
      ]);
      fake.modules.get('ringledger')!.integrations.telephony.externalPhones!.push({
        siteCode: 'main',
        externalPhone: '74959999999',
      });
      assert.ok((await setup.plan()).some(({ field, to }) => field === 'externalPhones 74959999999' && to === null));
    });

    it('is checked: as configured, extensions of nobody, shops out of sight', async () => {
      const { adapter, setup } = await make({
        settings: { extensions: { '101': '1', '109': 'gone@example.org' }, site: 'other' },
      });
      const before = await adapter.check();
      assert.match(before.find(({ part }) => part === 'crm:shop integration')!.message, /crm setup shop --apply/);
      assert.match(before.find(({ part }) => part === 'crm:shop extensions')!.message, /109: gone@example.org/);
      assert.equal(before.find(({ part }) => part === 'crm:shop shops')!.health, 'error');
      await setup.apply();
      const after = await adapter.check();
      assert.equal(after.find(({ part }) => part === 'crm:shop integration')!.health, 'ok');
      crm.fake.forbidden.add('/credentials');
      assert.ok((await adapter.check()).every(({ part }) => part !== 'crm:shop shops'));
      crm.fake.forbidden.add('/integration-modules');
      const [refused] = await adapter.check();
      assert.match(refused!.message, /give the key the right/);
    });
  });

  describe('the responsible of a caller', () => {
    const responsible = async () => (await crm.adapter.findContact('+79161110002', live()))?.responsibleId;
    beforeEach(async () => {
      await make();
      await crm.setup.apply();
      await crm.addContact({ name: 'Иван', numbers: ['8 (916) 111-00-02'], responsibleId: '1' });
    });

    it('is who is logged in and free in the CRM now, and comes with the name and a link', async () => {
      const found = await crm.adapter.findContact('8 916 111 00 02', live());
      assert.deepEqual([found?.name, found?.responsibleId], ['Иван', '1']);
      assert.match(found!.url!, /\/customers\/\d+$/);
      for (const status of ['busy', 'dinner', 'break'] as const) {
        crm.fake.users[0]!.status = status;
        assert.equal(await responsible(), null, status);
      }
      crm.fake.users[0]!.status = 'free';
      crm.fake.users[0]!.online = false;
      assert.equal(await responsible(), null);
    });

    it('is nobody of a stranger, nor of a number that only ends alike', async () => {
      assert.equal(await crm.adapter.findContact('+79990000000', live()), null);
      assert.equal(await crm.adapter.findContact('+449161110002', live()), null);
      assert.equal(await crm.adapter.findContact('anonymous', live()), null);
    });

    it('is known also where the CRM tells the manager without the customer', async () => {
      crm.fake.ways.hidesCustomer = true;
      const found = await crm.adapter.findContact('+79161110002', live());
      assert.deepEqual([found?.name, found?.responsibleId], ['Иван', '1']);
      crm.fake.users[0]!.status = 'busy';
      assert.equal(await crm.adapter.findContact('+79161110002', live()), null);
    });

    it('may be taken whatever his state is', async () => {
      await crm.close();
      await make({ settings: { ignoreStatus: true } });
      await crm.setup.apply();
      await crm.addContact({ name: 'Иван', numbers: ['+79161110002'], responsibleId: '1' });
      crm.fake.users[0]!.online = false;
      assert.equal(await responsible(), '1');
    });
  });

  describe('its cards', () => {
    const card = (
      conversations: readonly Parameters<typeof aConversation>[0][],
      userIds: readonly string[],
    ): IncomingCallCard => {
      const whole = conversations.map((one) => aConversation(one));
      const call = aCall({ conversations: whole, did: '74951234567' });
      return { call, conversation: whole[0]!, contact: null as Contact | null, userIds };
    };
    const rings = { answeredAt: null, endedAt: null, result: 'missed' } as const;

    it('open for exactly the phones that ring, on the line that was called', async () => {
      const { adapter, setup, fake } = await make({ settings: { lines: { '+74951234567': 'main' } } });
      await setup.apply();
      await adapter.showIncomingCall!(
        card(
          [
            { ...rings, uniqueId: 'a', extension: '101' },
            { ...rings, uniqueId: 'b', extension: '102' },
            { ...rings, uniqueId: 'c', extension: '103' },
          ],
          ['1'],
        ),
      );
      assert.deepEqual(fake.events, [
        {
          phone: '+79161110002',
          type: 'in',
          codes: ['101'],
          callExternalId: 'pbx:a',
          externalPhone: '+74951234567',
          site: 'main',
        },
      ]);
      assert.ok((await adapter.check()).every(({ health }) => health === 'ok'));
    });

    it('move with sequential ringing, each phone with its own end', async () => {
      const { adapter, setup, fake } = await make();
      await setup.apply();
      const away = { ...rings, uniqueId: 'a', extension: '101', endedAt: new Date(), result: 'busy' } as const;
      const next = { ...rings, uniqueId: 'b', extension: '102' } as const;
      await adapter.showIncomingCall!(card([{ ...away, endedAt: null }], ['1']));
      await adapter.hideIncomingCall!(card([away, next], ['1']));
      await adapter.showIncomingCall!(card([away, next], ['2']));
      await adapter.hideIncomingCall!(card([away, { ...next, result: 'answered' }], ['2']));
      assert.deepEqual(
        fake.events.map(({ type, codes, hangupStatus }) => [type, codes, hangupStatus]),
        [
          ['in', ['101'], undefined],
          ['hangup', ['101'], 'busy'],
          ['in', ['102'], undefined],
          ['hangup', ['102'], 'answered'],
        ],
      );
    });

    it('of extensions that the CRM does not know are told in the check', async () => {
      const { adapter } = await make();
      await adapter.showIncomingCall!(card([{ ...rings, extension: '101' }], ['1']));
      assert.match((await adapter.check()).find(({ part }) => part === 'crm:shop cards')!.message, /101/);
    });

    it('of an unknown extension stay told while others ring, until the CRM knows it', async () => {
      const { adapter, fake, setup } = await make({ settings: { extensions: { '101': '1' } } });
      await setup.apply();
      const told = async () => (await adapter.check()).find(({ part }) => part === 'crm:shop cards')?.message;
      const codes = fake.modules.get('ringledger')!.integrations.telephony.additionalCodes!;
      const [of101] = codes.splice(0);
      const anna = card([{ ...rings, extension: '101' }], ['1']);
      await adapter.showIncomingCall!(anna);
      await adapter.showIncomingCall!({ ...anna, call: { ...anna.call, conversations: [] } });
      assert.match((await told())!, /101/);
      codes.push(of101!);
      await adapter.hideIncomingCall!(anna);
      assert.equal(await told(), undefined);
    });

    it('are not sent for withheld numbers, nor for nobody', async () => {
      const { adapter, fake } = await make();
      const whole = card([{ ...rings, extension: '101' }], ['1']);
      await adapter.showIncomingCall!({ ...whole, call: { ...whole.call, client: null } });
      await adapter.showIncomingCall!(card([{ ...rings, extension: '101' }], []));
      assert.deepEqual(fake.events, []);
    });
  });

  it('tells which contacts were deleted since, and lists the others alone', async () => {
    const { adapter, fake, clock } = await make({});
    const [gone, kept] = ['+79161110002', '+79161110003'].map((phone) =>
      fake.addCustomer({ firstName: phone, phones: [phone] }),
    ) as unknown as [{ id: number }, { id: number }];
    clock.advance(60_000);
    const since = clock.now();
    fake.deleteCustomer(gone.id);
    const told: string[] = [];
    const listed: string[] = [];
    for await (const page of adapter.listContacts!(since, (id) => told.push(id)))
      listed.push(...page.map(({ id }) => id));
    assert.deepEqual([told, listed], [[String(gone.id)], []]);
    for await (const page of adapter.listContacts!(null)) listed.push(...page.map(({ id }) => id));
    assert.deepEqual(listed, [String(kept.id)]);
  });

  describe('its history', () => {
    it('has the line, its shop and the link of a recording, but no path', async () => {
      const { adapter, fake } = await make({ settings: { lines: { '8 (495) 123-45-67': 'main' } } });
      const call = aCall({ did: '74951234567' });
      const link = 'https://calls.example.org/r/1?s=x';
      const [first] = call.conversations;
      const { id } = await adapter.registerConversation(
        aRegistration({ call, conversation: { ...first!, recording: link }, userId: '1' }),
      );
      await adapter.registerConversation(
        aRegistration({
          idempotencyKey: 'conversation:pbx:2',
          call: { ...call, did: '7000009' },
          conversation: { ...first!, recording: '/var/spool/x.wav' },
        }),
      );
      assert.equal(id, 'pbx:1795246371.3');
      const [told, other] = fake.calls;
      assert.deepEqual(
        [told!.externalPhone, told!.site, told!.recordUrl, told!.userId, told!.date],
        ['8 (495) 123-45-67', 'main', link, 1, '2026-11-21 10:32:51'],
      );
      assert.deepEqual(
        [other!.externalId, other!.recordUrl, other!.code, other!.site],
        ['pbx:2', undefined, '101', undefined],
      );
    });

    it('is sent together: fifty at most, and one that is refused does no harm to the others', async () => {
      const { adapter, fake, finish } = await make({
        settings: { upload: { strategy: 'periodic', everyMs: 3_600_000 } },
      });
      fake.unwelcome.add('+79160000007');
      const sent = Array.from({ length: 70 }, (_, index) => {
        const call = aCall({ client: `+7916000${String(index).padStart(4, '0')}` });
        return adapter.registerConversation(aRegistration({ call, idempotencyKey: `conversation:pbx:${index}` })).then(
          ({ id }) => id,
          (error: unknown) => error,
        );
      });
      const firstFifty = await Promise.all(sent.slice(0, 50));
      assert.ok(fake.uploads[0] === 50 && fake.calls.length === 49, `${fake.uploads.join()} ${fake.calls.length}`);
      assert.ok(firstFifty[7] instanceof Rejected);
      assert.deepEqual(firstFifty[7].details, { '[0].phone': 'This value is not valid' });
      assert.equal(fake.calls.length, 49, 'the others wait');
      await finish();
      assert.deepEqual((await Promise.all(sent.slice(50))).at(-1), 'pbx:69');
      assert.equal(fake.calls.length, 69);
    });

    it('holds each call once when the CRM takes a part of an upload and says so with 460', async () => {
      const { adapter, fake, finish } = await make({
        settings: { upload: { strategy: 'periodic', everyMs: 3_600_000 } },
      });
      fake.ways.takesPartsOfUploads = true;
      fake.unwelcome.add('+79160000003');
      const sent = Array.from({ length: 8 }, (_, index) => {
        const call = aCall({ client: `+7916000000${index}` });
        return adapter.registerConversation(aRegistration({ call, idempotencyKey: `conversation:pbx:${index}` })).then(
          ({ id }) => id,
          (error: unknown) => error,
        );
      });
      await until(() => fake.requests.some((one) => one.endsWith('/settings')), { what: 'they wait for their batch' });
      await finish();
      const ends = await Promise.all(sent);
      assert.deepEqual(
        ends.filter((end) => typeof end === 'string'),
        [0, 1, 2, 4, 5, 6, 7].map((index) => `pbx:${index}`),
      );
      assert.ok(ends[3] instanceof Rejected);
      assert.deepEqual(
        fake.calls.map(({ externalId }) => externalId).sort(),
        ends.filter((end) => end !== ends[3]),
      );
    });
  });

  it('makes another customer for a number that was taken from the first', async () => {
    const { adapter, fake } = await make();
    const first = await adapter.createContact!(aContact(), 'contact:pbx:1');
    fake.customers[0]!.phones = [{ number: '+79990000000' }];
    const second = await adapter.createContact!(aContact(), 'contact:pbx:2');
    assert.notEqual(first.id, second.id);
    assert.equal((await adapter.createContact!(aContact(), 'contact:pbx:2')).id, second.id);
    assert.equal(fake.customers.length, 2);
  });

  it('passes on what a hook added for the CRM alone', async () => {
    const { adapter, fake } = await make();
    await adapter.createContact!({ ...aContact(), customFields: { source: 'call' } } as never, 'k1');
    assert.deepEqual(fake.customers[0]!.customFields, { source: 'call' });
  });

  it('rejects a task of nobody, in plain words', async () => {
    const { adapter } = await make();
    const task = { text: 'Call', dueAt: new Date(), responsibleId: null, contactId: null, leadId: null };
    await assert.rejects(adapter.createTask!(task, 'k1'), /defaultResponsible/);
  });

  it('tells the CRM the state of a user', async () => {
    const { adapter, fake } = await make();
    await adapter.setUserStatus!('1', 'dinner');
    assert.equal(fake.users[0]!.status, 'dinner');
  });
});

describe('a retailCRM with API v4', () => {
  testCrmAdapter({
    name: 'it',
    make: () => makeRetailcrm(noDatabase, { fake: { versions: ['3.0', '4.0'] } }),
    capabilities: retailcrmCapabilities,
  });
});

describe("times by an account's clocks", () => {
  it('are the same moment again, in any zone, except in the hour that comes twice', () => {
    const zones = ['Europe/Moscow', 'America/New_York', 'Asia/Kolkata', 'Pacific/Apia', 'UTC', 'Australia/Lord_Howe'];
    const moments = fc.integer({ min: Date.UTC(2000), max: Date.UTC(2040) }).map((ms) => new Date(ms - (ms % 1_000)));
    fc.assert(
      fc.property(moments, fc.constantFrom(...zones), (at, zone) => {
        const local = toLocalTime(at, zone);
        const back = fromLocalTime(local, zone)!;
        assert.equal(toLocalTime(back, zone), local);
        assert.ok(Math.abs(back.getTime() - at.getTime()) <= 3_600_000);
      }),
    );
    assert.equal(fromLocalTime('soon', 'UTC'), null);
    assert.equal(toLocalTime(new Date('2026-11-21T21:00:00Z'), 'Europe/Moscow'), '2026-11-22 00:00:00');
  });
});
