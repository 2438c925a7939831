import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hookNames, type HookCall, type HookName, type Hooks } from '../../src/core/hooks.ts';
import { contactOf } from '../support/caller-lookup.ts';
import { sampleCall, sampleConversation } from '../support/ledger-samples.ts';
import { HooksUnderTest, sampleHookCall } from './hooks-under-test.ts';

const folder = resolve(dirname(fileURLToPath(import.meta.url)), '../../examples/hooks');
const files = readdirSync(folder).filter((name) => name !== 'README.md');
const hasPhp = spawnSync('php', ['-v']).status === 0;
const stage = 'conversation_ended' as const;

describe('the examples of hooks', function () {
  this.timeout(30_000);
  let under: HooksUnderTest;
  let archive: string | null = null;
  afterEach(async () => {
    await under?.stop();
    if (archive !== null) rmSync(archive, { recursive: true });
    archive = null;
  });

  /** The hooks with one example installed. */
  async function hooksWith(name: HookName, env: NodeJS.ProcessEnv = {}, settings: object = {}): Promise<Hooks> {
    await under?.stop();
    under = new HooksUnderTest(
      { ...settings, deadlineMs: 10_000 },
      { env: { PATH: process.env['PATH'], TZ: 'UTC', ...env } },
    );
    const file = files.find((one) => one.startsWith(`${name}.`))!;
    copyFileSync(join(folder, file), join(under.hooksFolder, file));
    await under.hooks.refresh();
    return under.hooks.forCrm('local');
  }
  /** What it answered was taken. */
  const assertWorked = (name: HookName) => assert.deepEqual(under.errorsOf(name), []);
  const needPhp = (context: Mocha.Context) => {
    if (hasPhp) return;
    console.log('        php is not installed (apt install php-cli): this is not tried');
    context.skip();
  };

  it('are one for each hook', () => {
    assert.deepEqual(files.map((file) => file.split('.')[0]).sort(), [...hookNames].sort());
    const readme = readFileSync(join(folder, 'README.md'), 'utf8');
    for (const file of files) assert.ok(readme.includes(`\`${file}\``), file);
  });

  it('keep calls of a trunk and of an extension out of the CRM', async function () {
    needPhp(this);
    const hooks = await hooksWith('need_registration');
    const about = (fields: Parameters<typeof sampleCall>[0]): HookCall & { stage: typeof stage } => {
      const call = sampleCall(fields);
      return { call, conversation: call.conversations[0] ?? null, stage };
    };
    assert.equal(await hooks.need_registration(about({})), true);
    assert.equal(await hooks.need_registration(about({ trunk: 'warehouse' })), false);
    const elsewhere = [sampleConversation({ extension: '150' })];
    assert.equal(await hooks.need_registration(about({ conversations: elsewhere })), false);
    assert.equal(await hooks.need_registration(about({ conversations: elsewhere, direction: 'outbound' })), false);
    assert.equal(await hooks.need_registration(about({ conversations: [] })), true);
    assertWorked('need_registration');
  });

  it('write +7 as 8', async () => {
    const hooks = await hooksWith('process_client_phone');
    const phoneOf = (phone: string) => hooks.process_client_phone({ ...sampleHookCall(), stage, phone });
    assert.equal(await phoneOf('+79161110002'), '89161110002');
    assert.equal(await phoneOf('+4930123456'), '+4930123456');
    assertWorked('process_client_phone');
  });

  it('tell the result in Russian', async () => {
    const hooks = await hooksWith('process_call_params');
    const wanted = await hooks.process_call_params({
      ...sampleHookCall(),
      params: {
        phone: '+79161110002',
        result: 'busy',
        direction: 'outbound',
        startedAt: new Date(),
        duration: 0,
        link: null,
        userId: null,
        responsibleId: null,
      },
    });
    assert.equal(wanted['call_result'], 'Занято (линия provider)');
    assert.equal(wanted.result, 'busy');
  });

  it('tag contacts and leads of calls', async function () {
    const hooks = await hooksWith('process_contact_creation_params');
    const contact = await hooks.process_contact_creation_params({
      ...sampleHookCall(),
      contact: { name: 'Contact', number: '+79161110002', responsibleId: null, tags: ['Itgrix'] },
    });
    assert.deepEqual(contact.tags, ['PBX', 'provider']);
    assert.equal((contact['custom_fields_values'] as object[]).length, 2);
    needPhp(this);
    const lead = await (
      await hooksWith('process_lead_creation_params')
    ).process_lead_creation_params({
      ...sampleHookCall(),
      lead: { name: 'Lead', contactId: '5', responsibleId: null, pipelineId: '1', statusId: null, tags: ['Itgrix'] },
    });
    assert.deepEqual(lead, {
      price: 0,
      name: 'Call +79161110002',
      contactId: '5',
      responsibleId: null,
      pipelineId: '1',
      statusId: null,
      tags: ['PBX'],
    });
  });

  it('call over another trunk', async () => {
    const hooks = await hooksWith('process_originate_params');
    const request = {
      requestId: 'r',
      extension: '201',
      clientNumber: '+79161110002',
      clientName: null,
      timeoutMs: 30_000,
    };
    const changed = { ...request, clientNumber: '89161110002' };
    const ask = (extension: string) =>
      hooks.process_originate_params({ request: { ...request, extension }, requestData: {} });
    assert.deepEqual(await ask('201'), { ...changed, context: 'office-two-out' });
    assert.deepEqual(await ask('101'), { ...changed, extension: '101' });
  });

  it('find recordings in the archive', async () => {
    archive = mkdtempSync(join(tmpdir(), 'ringledger-archive-'));
    mkdirSync(join(archive, '2026-11'));
    writeFileSync(join(archive, '2026-11', '1.mp3'), '');
    const hooks = await hooksWith('process_record_file_path', { ARCHIVE: archive }, { environment: ['ARCHIVE'] });
    const pathOf = (path: string) => hooks.process_record_file_path({ ...sampleHookCall(), path });
    assert.equal(await pathOf('/var/spool/1.wav'), join(archive, '2026-11', '1.mp3'));
    assert.equal(await pathOf('/var/spool/2.wav'), '/var/spool/2.wav');
  });

  it('set deadlines by working hours', async () => {
    const hooks = await hooksWith('process_task_creation_params');
    const dueAtOf = async (dueAt: string) => {
      const task = { text: 'Call back', dueAt: new Date(dueAt), responsibleId: null, contactId: null, leadId: null };
      return (await hooks.process_task_creation_params({ ...sampleHookCall(), task })).dueAt.toISOString();
    };
    assert.equal(await dueAtOf('2026-11-20T12:00:00.000Z'), '2026-11-20T12:00:00.000Z');
    assert.equal(await dueAtOf('2026-11-20T19:00:00.000Z'), '2026-11-23T10:00:00.000Z');
    assert.equal(await dueAtOf('2026-11-23T03:00:00.000Z'), '2026-11-23T10:00:00.000Z');
  });

  it('show VIPs as such', async () => {
    under = new HooksUnderTest({}, { crms: ['local'] });
    const file = 'customize_autodistribution.js';
    copyFileSync(join(folder, file), join(under.hooksFolder, file));
    await under.hooks.refresh();
    const ask = (tags: readonly string[]) =>
      under.hooks.customizeAutodistribution!({
        number: '',
        name: 'Acme',
        requestData: {},
        entity: contactOf({ id: '1', tags }),
      });
    assert.deepEqual(await ask(['vip']), { number: '100', name: 'VIP Acme' });
    assert.deepEqual(await ask([]), { number: '', name: 'Acme' });
  });

  it('tell another system of registered calls', async () => {
    const told: unknown[] = [];
    const server = createServer((request, response) => {
      void request.toArray().then((chunks) => {
        told.push(JSON.parse(Buffer.concat(chunks).toString()));
        response.end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const hooks = await hooksWith('post_registration', { TELL_URL: url }, { environment: ['TELL_URL'] });
    const about = sampleHookCall();
    await hooks.post_registration({
      ...about,
      crmId: '55',
      registration: {
        idempotencyKey: 'k',
        call: about.call,
        conversation: about.conversation!,
        contactId: null,
        leadId: null,
        responsibleId: '7',
        userId: null,
      },
    });
    server.close();
    assert.deepEqual(told, [{ id: 55, phone: '+79161110002', call_status: 4, duration: 3, responsible_user_id: 7 }]);
    assertWorked('post_registration');
  });

  it('change contacts, leads and requests', async () => {
    const ofNobody = { id: '1', name: 'Anna', company: null, responsibleId: null };
    const updating = await hooksWith('process_contact_update_params');
    const changeOf = (client: HookCall['client']) =>
      updating.process_contact_update_params({ ...sampleHookCall(), client, id: '1', change: {} });
    assert.deepEqual(await changeOf(ofNobody), { responsibleId: '7' });
    assert.deepEqual(await changeOf({ ...ofNobody, responsibleId: '3' }), {});
    const lead = await (
      await hooksWith('process_lead_update_params')
    ).process_lead_update_params({ ...sampleHookCall(), id: '1', change: {} });
    assert.deepEqual(lead, { tags: ['line provider'] });
    const hooks = await hooksWith('process_unsorted_creation_params');
    const call = sampleCall({ did: '+74957654321' });
    const request = await hooks.process_unsorted_creation_params({
      call,
      conversation: null,
      incomingLead: {
        name: 'Call',
        number: '+79161110002',
        callKey: 'k',
        startedAt: call.startedAt,
        pipelineId: '1',
        responsibleId: null,
      },
    });
    assert.equal(request.pipelineId, '7');
    assert.equal(request.name, 'Call (office 2)');
    assert.equal(request['_embedded'], undefined);
  });
});

describe('an action of the Itgrix customizer', function () {
  this.timeout(30_000);
  let under: HooksUnderTest;
  before(function () {
    if (hasPhp) return;
    console.log('        php is not installed (apt install php-cli): this is not tried');
    this.skip();
  });
  beforeEach(() => {
    under = new HooksUnderTest({ deadlineMs: 10_000 });
  });
  afterEach(() => under?.stop());
  const phone = () =>
    under.hooks.forCrm('local').process_client_phone({ ...sampleHookCall(), stage, phone: '+79161110002' });

  for (const [way, text] of [
    [
      'returns its answer',
      "<?php return array('state' => 'success', 'data' => array('phone' => substr($params['phone'], -10)));",
    ],
    [
      "has a function of the hook's name",
      "<?php function process_client_phone($params) { return ['state' => 'success', 'data' => ['phone' => shorten($params['phone'])]]; } function shorten($phone) { return substr($phone, -10); }",
    ],
    [
      'has a single function',
      "<?php\nfunction custom($params)\n{\n    return array('state' => 'success', 'data' => array('phone' => substr($params['phone'], -10)));\n}\n",
    ],
    [
      'prints its answer',
      "<?php echo json_encode(array('state' => 'success', 'data' => array('phone' => substr($params['phone'], -10))));",
    ],
    [
      'prints its answer and was saved on Windows',
      "\uFEFF<?php\r\necho json_encode(array('state' => 'success', 'data' => array('phone' => substr($params['phone'], -10))));\r\n",
    ],
    [
      'prints, warns and includes a file beside it',
      "<?php require_once __DIR__ . '/lib/shorten.php'; require 'lib/empty.php'; echo 'debug'; echo $missing; return ['state' => 'success', 'data' => ['phone' => shorten($params['phone'])]];",
    ],
  ] as const) {
    it(`works when it ${way}`, async () => {
      under.save('lib/shorten.php', '<?php function shorten($phone) { return substr($phone, -10); }');
      under.save('lib/empty.php', '<?php ');
      await under.install('process_client_phone.php', text);
      assert.equal(await phone(), '9161110002', JSON.stringify(under.errorsOf('process_client_phone')));
    });
  }

  it('finds the fields of click-to-call with and without their wrapping', async () => {
    const request = {
      requestId: 'r',
      extension: '101',
      clientNumber: '+79161110002',
      clientName: null,
      timeoutMs: 30_000,
    };
    for (const field of ["$params['extension']", "$params['params']['extension']"]) {
      await under.install(
        'process_originate_params.php',
        `<?php return array('state' => 'success', 'data' => array('extension' => '8' . substr(${field}, -10)));`,
      );
      const changed = await under.hooks.forCrm('local').process_originate_params({ request, requestData: {} });
      assert.equal(changed.clientNumber, '89161110002');
    }
  });

  it('that does not parse stays out, and its error is told', async () => {
    await under.install(
      'process_client_phone.php',
      "<?php return array('state' => 'success', 'data' => array('phone' => '1'));",
    );
    await under.install('process_client_phone.php', '<?php return array(');
    assert.equal(await phone(), '1');
    assert.match(under.statusOf('process_client_phone').message, /syntax error|Parse error/);
  });

  it('that answers in the letters of Windows says so', async () => {
    await under.install(
      'process_client_phone.php',
      '<?php return array("state" => "success", "data" => array("phone" => "\\xD2\\xE5\\xEB"));',
    );
    assert.equal(await phone(), '+79161110002');
    assert.match(under.errorsOf('process_client_phone')[0]!.message, /Malformed UTF-8/);
  });

  it('that dies is a crash with the reason that PHP gave', async () => {
    await under.install('process_client_phone.php', '<?php undefined_function();');
    assert.equal(await phone(), '+79161110002');
    const [error] = under.errorsOf('process_client_phone');
    assert.equal(error!.kind, 'crash');
    assert.match(error!.message, /undefined_function/);
  });
});
