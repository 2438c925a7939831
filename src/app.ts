/** The whole house, built in reading order from its configuration. Nothing here decides anything about a call. */
import { hostname } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { dirname, join } from 'node:path';
import { mkdirSync } from 'node:fs';
import { AgiServer } from '../agi/server.ts';
import { createRoutes, type AgiHandler } from '../agi/routes.ts';
import { localTokenFile, type Config } from './config.ts';
import type { Call } from './core/call.ts';
import { CallerLookup } from './core/caller-lookup.ts';
import { tellStory } from './core/call-story.ts';
import { ClickToCall } from './core/click-to-call.ts';
import type { ContactBook } from './core/contact-book.ts';
import { ContactMirror, forgettingDeleted } from './core/contact-mirror.ts';
import { ContactSearch } from './core/contact-search.ts';
import { CrmChecks } from './core/crm-checks.ts';
import { CrmSync } from './core/crm-sync.ts';
import { createDeliveryRunner } from './core/delivery.ts';
import type { DeliveryHandler, DeliveryOutcome } from './core/delivery/crm-loop.ts';
import { AuthRequired, Rejected } from './core/errors.ts';
import type { StaffDirectory } from './core/employees.ts';
import type { LedgerQueries } from './core/ledger-queries.ts';
import type {
  Clock,
  CrmAdapter,
  CrmUser,
  DeviceState,
  Employee,
  Log,
  PartStatus,
  PbxEventSink,
  PbxSource,
} from './core/ports.ts';
import { createIncomingCards } from './core/incoming-card.ts';
import { createConversationHandler } from './core/registration.ts';
import { CallTracker, defaultTrackerSettings } from './core/tracking/call-tracker.ts';
import { crmKinds, type BuiltCrm } from './crm/index.ts';
import type { KommoConfig } from './crm/kommo/config.ts';
import { createHooks } from './hooks/installed-hooks.ts';
import { dryRunCall } from './installation/dry-run.ts';
import { onFirstUse, once } from './installation/on-first-use.ts';
import type { SettingsOrigin } from './installation/settings.ts';
import { createNumbering, createScreen, readClickToCall, readRules } from './installation/foundations.ts';
import { pbxKinds } from './pbx/index.ts';
import { createApiTokenStore } from './storage/api-token-store.ts';
import { createCallStore } from './storage/call-store.ts';
import { openDatabase } from './storage/connection.ts';
import { createCursorStore } from './storage/cursor-store.ts';
import { createToldStates } from './storage/told-states.ts';
import { createUsedTokens } from './storage/used-tokens.ts';
import { createDeliveryStore } from './storage/delivery-store.ts';
import { createCallReports } from './storage/call-reports.ts';
import { checkDatabase } from './storage/health.ts';
import { createHookRunBook } from './storage/hook-runs.ts';
import { createLedgerQueries } from './storage/ledger-queries.ts';
import { migrateDatabase } from './storage/migrate.ts';
import { holdNodeLease, type NodeLease } from './storage/node-lease.ts';
import { createSpool } from './storage/spool.ts';
import { keepStatistics } from './storage/statistics.ts';
import { createWebUserStore } from './storage/web-user-store.ts';
import { builtBundleFolder, loadBundle } from './web/bundle.ts';
import { createFirstRun } from './web/first-run.ts';
import { createLiveCalls } from './web/live-calls.ts';
import { UserStatuses } from './core/user-status.ts';
import { ensureLocalToken } from './web/local-token.ts';
import { createMetrics } from './web/metrics.ts';
import type { KnownContact, KommoWidgetDoor, RetailcrmDoor } from './web/ports.ts';
import { createWebServer } from './web/server.ts';

export interface AppParts {
  readonly log: Log;
  readonly clock?: Clock;
  /** Absent: from no file, and nobody would start the service again. */
  readonly origin?: SettingsOrigin;
}

export interface App {
  /** Where FastAGI and HTTP listen, for configurations that leave the port to the system. */
  readonly agiPort: number;
  readonly httpPort: number;
  readonly lookup: CallerLookup;
  /** The phone systems, by name. */
  readonly sources: ReadonlyMap<string, PbxSource>;
  status(): Promise<readonly PartStatus[]>;
  /** Takes nothing new, finishes what is under way, closes everything. */
  stop(): Promise<void>;
}

/** Late events of an ended call (CEL, recordings) arrive within this; only then is it offered to the CRMs. */
const settleMs = 2_000;
const crmSyncSettings = { everyMs: 5_000, fullEveryMs: 600_000 };

/** Builds and starts everything; resolves once calls are followed and questions answered. Rejects when it cannot start. */
export async function createApp(config: Config, parts: AppParts): Promise<App> {
  const { log } = parts;
  const clock: Clock = parts.clock ?? { now: () => new Date() };
  const monotonicMs = () => performance.now();
  const undo: (() => Promise<unknown> | unknown)[] = [];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    return await build();
  } catch (error) {
    await stop();
    throw error;
  }

  async function build(): Promise<App> {
    const tokenFile = localTokenFile(config);
    mkdirSync(dirname(tokenFile), { recursive: true, mode: 0o750 });
    const database = await openDatabase(config.storage);
    undo.push(() => database.close());
    const ran = await migrateDatabase(database);
    if (ran.length > 0) log.info({ migrations: ran }, 'the database was brought up to date');

    // Who works here, and what numbers mean.
    const { directory, plan, configured, withMobile } = createNumbering(config);

    // The CRMs, and what is known of their contacts and users.
    const usersOf = new Map<string, readonly CrmUser[]>();
    const crms: (BuiltCrm & { readonly entry: Config['crm'][number]; readonly mirror: ContactMirror })[] = [];
    for (const entry of config.crm) {
      const built = await crmKinds[entry.kind].create(entry.settings, {
        name: entry.name,
        db: database.knex,
        numbers: plan,
        clock,
        publicUrl: config.http.publicUrl,
        staff: () => directory.all(),
      });
      undo.push(() => built.adapter.close?.());
      crms.push({ entry, ...built, mirror: new ContactMirror() });
    }
    const own = crms.find((crm) => crm.book !== undefined);
    const book = own?.book === undefined ? null : forgettingDeleted(own.book, own.mirror);
    await book?.takeConfiguredEmployees(configured);
    const syncs = crms.map(
      ({ adapter, book: ownBook, mirror }) =>
        new CrmSync({
          crm: watchUsers(adapter, { book: ownBook ?? null, usersOf, directory, configured, withMobile }),
          mirror,
          directory,
          settings: crmSyncSettings,
          clock,
          log: log.child({ crm: adapter.name }),
        }),
    );

    // The integrators' code.
    const crmNames = crms.map((crm) => crm.entry.name);
    const hookVersionsFolder = config.hooks.versionsFolder ?? join(dirname(tokenFile), 'hooks');
    const userOfHook = (crm: string | null, extension: string) =>
      (crm === null ? undefined : usersOf.get(crm)?.find((user) => user.extensions.includes(extension))) ??
      directory.byExtension(extension);
    const phoneFieldOf = (name: string) => crms.find(({ entry }) => entry.name === name)?.adapter.phoneFieldId ?? null;
    const hookRuns = createHookRunBook({ database, clock, log, keepDays: config.hooks.keepRunsDays });
    undo.push(() => hookRuns.stop());
    const hooks = createHooks({
      config: config.hooks,
      versionsFolder: hookVersionsFolder,
      crms: crmNames,
      timeZone: config.installation.timezone,
      distributionDeadlineMs: config.distribution.deadlineMs,
      userOf: userOfHook,
      phoneFieldOf,
      noteRun: hookRuns.note,
      env: process.env,
      clock,
      log,
    });
    undo.push(() => hooks.stop());
    await hooks.start();

    // From calls to the ledger, and from the ledger to the CRMs.
    const callStore = createCallStore({ database, crms: crmNames, settleMs, clock, announce: () => runner.wake() });
    const deliveryStore = createDeliveryStore({ database, clock });
    let publicUrl = config.http.publicUrl ?? `http://${config.http.host}:${config.http.port}`;
    const recordings = !config.recordings.enabled
      ? null
      : (await import('./recordings/recordings.ts')).createRecordings({
          config: config.recordings,
          db: database.knex,
          calls: callStore,
          cursors: createCursorStore(database),
          plan,
          // A recording is made once, whatever the number of CRMs.
          hooks: hooks.forCrm(crmNames.length === 1 ? crmNames[0]! : ''),
          clock,
          log: log.child({ part: 'recordings' }),
          timeZone: config.installation.timezone,
          publicUrl: () => publicUrl,
          folder: join(dirname(tokenFile), 'recordings'),
          secretFile: join(dirname(tokenFile), 'recording-link-secret'),
          crms: crms.flatMap(({ entry, adapter }) => (adapter.attachRecording === undefined ? [] : [entry.name])),
          announce: () => runner.wake(),
        });
    const recordingHandlers = new Map(
      crms.flatMap(({ entry, adapter }) =>
        recordings === null ? [] : [[entry.name, recordings.deliveryHandler(adapter)] as const],
      ),
    );
    const destinations = crms.map(({ entry, adapter, mirror }) => ({
      crm: adapter,
      hooks: hooks.forCrm(entry.name),
      installation: {
        crm: entry.name,
        rules: readRules(config, entry.registration ?? config.registration, plan),
        staff: directory,
        numbers: plan,
        timeZone: config.installation.timezone,
      },
      users: () => usersOf.get(entry.name) ?? [],
      knownContact: (number: string) => mirror.find(number),
    }));
    const handlers = new Map(
      destinations.map((destination) => [
        destination.crm.name,
        createConversationHandler({
          ...destination,
          ledger: recordings === null ? callStore : recordings.ledgerFor(destination.crm, callStore),
        }),
      ]),
    );
    const cards = createIncomingCards({ crms: destinations, clock, log });
    undo.push(() => cards.stop());
    const handle: DeliveryHandler = async (delivery, context) => {
      const handler = (delivery.kind === 'recording' ? recordingHandlers : handlers).get(delivery.crm);
      if (handler === undefined) return { skip: `nothing here delivers ${delivery.kind} to ${delivery.crm}` };
      return handler(delivery, context);
    };
    const runner = createDeliveryRunner({
      store: deliveryStore,
      handle: (delivery, context) => countedAttempt(metrics, delivery.crm, () => handle(delivery, context)),
      crms: crmNames,
      concurrencyOf: (name) => crms.find((crm) => crm.entry.name === name)?.concurrency ?? null,
      node: `${config.installation.name}@${hostname()}`,
      clock,
      log,
    });

    // Calls that people ask for with a click.
    const clickToCall = new ClickToCall(
      {
        directory,
        plan,
        sources: () => sources.values(),
        hooksOf: (requester) => hooks.forCrm(requester),
        nameOf: (number) => nameOfCaller(number),
        clock,
        log,
      },
      readClickToCall(config, plan),
    );

    const metrics = createMetrics({ log, openCalls: () => countBySource(tracker), deliveries: deliveryStore });
    const live = createLiveCalls(() => tracker.openCalls());
    const tracker = new CallTracker({
      store: callStore,
      plan,
      clock,
      log,
      watchers: [
        metrics.callWatcher,
        live.callWatcher,
        clickToCall,
        cards.callWatcher,
        ...(recordings === null ? [] : [recordings.watcher]),
      ],
      screen: createScreen(readRules(config, config.registration, plan).lists),
      settings: { ...defaultTrackerSettings, keepsInternal: config.calls.internal === 'keep' },
    });
    undo.push(() => tracker.stop());
    const ticking = setInterval(() => void tracker.tick(), 1_000);
    undo.push(() => clearInterval(ticking));
    const spool = createSpool({ sink: tracker, path: join(dirname(tokenFile), 'spool.jsonl'), log });
    await spool.start();
    undo.push(() => spool.stop());
    const sink: PbxEventSink = {
      accept: async (events) => {
        await spool.accept(events);
        metrics.countPbxEvents(events, clock.now());
      },
      resynced: (snapshot) => spool.resynced(snapshot),
    };

    await runner.start();
    undo.push(() => runner.stop());
    undo.push(() => Promise.all(crms.map((crm) => crm.finish?.())));
    if (recordings !== null) {
      // Converting is for one node at a time; links and deliveries are answered by all.
      const { start, stop } = recordings;
      const lease = holdNodeLease({ database, role: 'recordings', log, onHeld: start, onLost: stop });
      undo.push(() => lease.stop());
    }
    for (const sync of syncs) {
      sync.start();
      undo.push(() => sync.stop());
    }
    // The built-in one has nothing that could be set up wrongly elsewhere.
    const outside = crms.flatMap(({ adapter, book: ownBook }) => (ownBook === undefined ? [adapter] : []));
    const checks = new CrmChecks({ crms: outside, clock, log });
    checks.start();
    undo.push(() => checks.stop());

    // The phone systems. On several nodes, one at a time follows each.
    const cursors = createCursorStore(database);
    const sources = new Map<string, PbxSource>();
    const leases: NodeLease[] = [];
    for (const entry of config.pbx) {
      const source = pbxKinds[entry.kind].create(entry, {
        cursors,
        clock,
        log: log.child({ pbx: entry.name }),
        timeZone: config.installation.timezone,
      });
      sources.set(entry.name, source);
      const lease = holdNodeLease({
        database,
        role: `pbx:${entry.name}`,
        log,
        onHeld: async () => {
          await tracker.restore(entry.name);
          await source.start(sink);
        },
        onLost: async () => {
          await source.stop();
          tracker.release(entry.name);
        },
      });
      leases.push(lease);
      undo.push(() => lease.stop());
    }

    // Questions of the dialplan.
    const search = new ContactSearch({
      sources: crms.map(({ entry, adapter, mirror }) => ({
        name: entry.name,
        mirror: adapter.listContacts === undefined ? null : mirror,
        findContact: (number, { signal }) => adapter.findContact(number, { signal, isUrgent: true }),
      })),
      settings: {
        breaker: { failures: config.distribution.breakerFailures, openMs: config.distribution.breakerOpenMs },
        freshMs: config.distribution.freshMs,
        staleMs: config.distribution.staleMs,
      },
      monotonicMs,
      log,
    });
    const { template, transliterate } = config.callerName;
    const lookup = new CallerLookup(
      {
        search,
        directory,
        numberPlan: plan,
        stateOf: (extension) => stateOf(sources, extension),
        get customizeAutodistribution() {
          return hooks.customizeAutodistribution;
        },
        clock,
        monotonicMs,
        log,
      },
      {
        deadlineMs: config.distribution.deadlineMs,
        hookMs: config.distribution.hookMs,
        policy: config.distribution,
        name: { template, transliterate: transliterate ? (await import('../agi/transliterate.ts')).toAscii : null },
      },
    );
    const nameOfCaller = async (number: string): Promise<string | null> => {
      const unknown = { callerName: '', did: '', trunk: '', requestData: {} };
      const answer = await lookup.callerName({ ...unknown, callerNumber: number, askedAtMs: monotonicMs() });
      return answer.name || null;
    };
    const agi = new AgiServer({
      config: config.agi,
      routes: timed(createRoutes({ lookup, keepsExistingName: config.callerName.keepsExisting }), metrics),
      log,
    });
    await agi.start();
    undo.push(() => agi.stop());

    // What CRMs ask of us.
    const statusRules = new Map(
      config.crm.flatMap((entry) => (entry.kind === 'retailcrm' ? [[entry.name, entry.settings.userStatus]] : [])),
    );
    const userStatuses = new UserStatuses({
      store: createToldStates(database),
      clock,
      rulesOf: (crm) => statusRules.get(crm) ?? null,
      directory,
      sources: [...sources.values()],
      log,
    });
    let catchingUp = Promise.resolve();
    const tellingStatuses = setInterval(() => {
      catchingUp = catchingUp.then(() => userStatuses.catchUp());
    }, 10_000);
    undo.push(() => {
      clearInterval(tellingStatuses);
      return catchingUp;
    });
    const retailcrms = config.crm.flatMap(({ name, ...entry }) => {
      if (entry.kind !== 'retailcrm') return [];
      const { clientToken } = entry.settings;
      const changeUserStatus: RetailcrmDoor['changeUserStatus'] = (change) =>
        userStatuses.change({ crm: name, ...change });
      return [{ name, clientToken, changeUserStatus }];
    });

    // What people and programs ask.
    const statusProviders: (() => readonly PartStatus[] | Promise<readonly PartStatus[]>)[] = [
      async () => [await checkDatabase(database)],
      () => [trackerStatus(tracker), spool.status()],
      () => [...sources.values()].flatMap((source) => source.status()),
      () => leases.flatMap((lease, index) => (lease.isHeld ? [] : [leaseStatus(config.pbx[index]!.name)])),
      () => (config.pbx.length > 0 ? [] : [noPbxStatus]),
      () => agi.status(),
      () => search.status(),
      () => syncs.flatMap((sync) => sync.status()),
      () => checks.status(),
      () => runner.status(),
      () => recordings?.status() ?? [],
      () => hooks.status(),
    ];
    const ledger = createLedgerQueries(database);
    const workshop = onFirstUse(async () => {
      const { createHookWorkshop } = await import('./installation/hook-workshop.ts');
      return createHookWorkshop({
        config: config.hooks,
        versionsFolder: hookVersionsFolder,
        crms: crmNames,
        installed: hooks,
        surroundingsOf: (crm) => ({
          timeZone: config.installation.timezone,
          userOf: (extension) => userOfHook(crm, extension),
          phoneFieldId: crm === null ? null : phoneFieldOf(crm),
        }),
        findCall: (source, linkedId) => findCallOf(ledger, source === null ? [...sources.keys()] : [source], linkedId),
        env: process.env,
      });
    });
    const webUsers = createWebUserStore(database);
    const stateFolder = dirname(tokenFile);
    const origin = parts.origin ?? { file: null, env: {}, cwd: stateFolder, restart: null };
    const openSettings = once(async () => {
      const { createSettings } = await import('./installation/settings.ts');
      return createSettings(config, { origin, stateFolder, clock });
    });
    const firstRun = createFirstRun(join(dirname(tokenFile), 'first-run-token'));
    const web = createWebServer({
      config: config.http,
      metricsConfig: config.metrics,
      tokens: [...config.http.tokens, { name: 'this machine', token: ensureLocalToken(tokenFile), access: 'full' }],
      parts: {
        log,
        clock,
        usedTokens: createUsedTokens(database),
        statusProviders,
        metrics: config.metrics.enabled ? metrics : null,
        ledger,
        deliveries: {
          ...deliveryStore,
          resendMatching: async (filter, now) => {
            const count = await deliveryStore.resendMatching(filter, now);
            if (count > 0) runner.wake();
            return count;
          },
          oweMissing: async (missing) => {
            const count = await deliveryStore.oweMissing(missing);
            if (count > 0) runner.wake();
            return count;
          },
          resend: async (id, now) => {
            const isResent = await deliveryStore.resend(id, now);
            if (isResent) runner.wake();
            return isResent;
          },
          resume: async (crm) => {
            await deliveryStore.resume(crm);
            runner.wake();
          },
        },
        crms: crmNames,
        contactBook: book,
        recordings: recordings?.door ?? null,
        callerNames: { callerName: nameOfCaller },
        lookup: { trace: (question) => lookup.trace(question) },
        clickToCall,
        retailcrms,
        kommoWidgets: crms.flatMap(({ entry }) =>
          entry.kind === 'kommo' ? [describeKommoWidget(entry.name, entry.settings, () => tracker.openCalls())] : [],
        ),
        hooks: workshop,
        hookRuns,
        toClientNumber: (raw) => plan.toClientNumber(raw),
        interface: {
          users: webUsers,
          firstRun,
          bundle: loadBundle(builtBundleFolder()),
          live,
          reports: createCallReports(database),
          timeZone: config.installation.timezone,
          staff: () => directory.all(),
          accounts: () =>
            crmNames.map((crm) => ({
              crm,
              users:
                usersOf
                  .get(crm)
                  ?.map((user) => ({ ...user, employeeId: directory.byCrmUser(crm, user.id)?.id ?? null })) ?? null,
            })),
          story: async (source, linkedId) => {
            const [stored] = await callStore.load(source, [linkedId]);
            return stored === undefined ? null : tellStory(stored, plan);
          },
          dryRun: (call, signal) =>
            dryRunCall(
              destinations.map(({ crm, ...destination }) => ({ ...destination, reader: crm })),
              call,
              signal,
            ),
          apiTokens: createApiTokenStore(database),
          configuredTokens: config.http.tokens.map(({ name, access }) => ({ name, access })),
          contactOf: (number) => contactIn(crms, directory, number),
          numbersOf: (text) =>
            findNumbers(
              crms.map(({ mirror }) => mirror),
              text,
            ),
          examine: async () => {
            const { examineInstallation } = await import('./installation/views.ts');
            return examineInstallation(config, directory.all(), { clock, log });
          },
          dialplan: onFirstUse(async () => {
            const { createDialplanDoor } = await import('./installation/dialplan.ts');
            return createDialplanDoor((await openSettings()).current, { clock, log });
          }),
          settings: onFirstUse(async () => (await openSettings()).door),
          setup: onFirstUse(async () => {
            const { createSetup } = await import('./installation/setup.ts');
            return createSetup({ current: (await openSettings()).current, stateFolder, clock, log });
          }),
        },
      },
    });
    const { port: httpPort } = await web.start();
    undo.push(() => web.stop());
    if (config.http.publicUrl === null) publicUrl = `http://${config.http.host}:${httpPort}`;
    if (await webUsers.isEmpty()) {
      firstRun.prepare();
      log.info(
        { page: `${publicUrl}/ui/`, file: firstRun.file },
        'nobody can sign in yet: open the page and type in the token of the file',
      );
    }
    log.info({ agiPort: agi.port, httpPort }, 'ready');
    // A long ledger takes a while to be looked through; calls need not wait for that.
    const statistics = keepStatistics({ database, log });
    undo.push(() => statistics.stop());

    return {
      agiPort: agi.port,
      httpPort,
      lookup,
      sources,
      status: async () => (await Promise.all(statusProviders.map((provide) => provide()))).flat(),
      stop,
    };
  }
}

/** The CRM as the synchronisation sees it: each new list of users is also what registration and the staff directory know. */
function watchUsers(
  adapter: CrmAdapter,
  known: {
    readonly book: ContactBook | null;
    readonly usersOf: Map<string, readonly CrmUser[]>;
    readonly directory: StaffDirectory;
    readonly configured: readonly Employee[];
    readonly withMobile: (employee: Employee) => Employee;
  },
): Pick<CrmAdapter, 'name' | 'listUsers' | 'listContacts'> {
  return {
    name: adapter.name,
    async listUsers() {
      const users = await adapter.listUsers();
      known.usersOf.set(adapter.name, users);
      if (known.book !== null) {
        const ids = new Set(known.configured.map((employee) => employee.id));
        const added = (await known.book.listEmployees()).filter((employee) => !ids.has(employee.id));
        known.directory.setEmployees([...known.configured, ...added.map(known.withMobile)]);
      }
      return users;
    },
    ...(adapter.listContacts === undefined
      ? {}
      : { listContacts: (since: Date | null, onGone?: (id: string) => void) => adapter.listContacts!(since, onGone) }),
  };
}

/** How the account's pages prove themselves when they ask for calls. */
function describeKommoWidget(name: string, settings: KommoConfig, openCalls: () => readonly Call[]): KommoWidgetDoor {
  const { account, oauth, widget, stockWidget } = settings;
  const { clientId, clientSecret, address } = widget ?? {
    ...(oauth ?? { clientId: null, clientSecret: null }),
    address: null,
  };
  const audience = address ?? oauth?.redirectUri ?? null;
  return { name, account: new URL(account).origin, clientId, clientSecret, audience, stock: stockWidget, openCalls };
}

function stateOf(sources: ReadonlyMap<string, PbxSource>, extension: string): DeviceState {
  for (const source of sources.values()) {
    const state = source.deviceState?.(extension) ?? 'unknown';
    if (state !== 'unknown') return state;
  }
  return 'unknown';
}

function timed(
  routes: ReadonlyMap<string, AgiHandler>,
  metrics: ReturnType<typeof createMetrics>,
): ReadonlyMap<string, AgiHandler> {
  return new Map(
    [...routes].map(([script, handler]) => [
      script,
      async (session) => {
        let status: string | void = 'failed';
        try {
          status = await handler(session);
          return status;
        } finally {
          metrics.countAgiRequest({
            script,
            status: status ?? 'answered',
            durationMs: performance.now() - session.acceptedAtMs,
          });
        }
      },
    ]),
  );
}

/** Passes the outcome on as it came, and counts it. */
async function countedAttempt(
  metrics: ReturnType<typeof createMetrics>,
  crm: string,
  attempt: () => Promise<DeliveryOutcome>,
): Promise<DeliveryOutcome> {
  try {
    const outcome = await attempt();
    metrics.countDeliveryAttempt({ crm, outcome: 'skip' in outcome ? 'skipped' : 'delivered' });
    return outcome;
  } catch (error) {
    const outcome = error instanceof Rejected ? 'rejected' : error instanceof AuthRequired ? 'paused' : 'retried';
    metrics.countDeliveryAttempt({ crm, outcome });
    throw error;
  }
}

/** A list is narrowed by so many numbers; who looks for more is to say more. */
const numbersLimit = 300;
/** Contacts looked at before calls get their turn again. */
const contactsPerTurn = 5_000;

/** Numbers of contacts whose name or company has all these words; case and ё/е do not matter. */
async function findNumbers(mirrors: readonly ContactMirror[], text: string): Promise<readonly string[]> {
  const fold = (words: string) => words.toLowerCase().replaceAll('ё', 'е');
  const words = fold(text).split(/\s+/).filter(Boolean);
  const numbers = new Set<string>();
  let seen = 0;
  for (const mirror of mirrors) {
    for (const { name, company, numbers: own } of mirror.all()) {
      if (++seen % contactsPerTurn === 0) await setImmediate();
      const folded = fold(`${name} ${company ?? ''}`);
      if (!words.every((word) => folded.includes(word))) continue;
      for (const number of own) numbers.add(number);
      if (numbers.size >= numbersLimit) return [...numbers].slice(0, numbersLimit);
    }
  }
  return [...numbers];
}

/** Of the first of these phone systems that has it. */
async function findCallOf(ledger: LedgerQueries, sources: readonly string[], linkedId: string): Promise<Call | null> {
  for (const source of sources) {
    const call = await ledger.findCall(source, linkedId);
    if (call !== null) return call;
  }
  return null;
}

/** The first CRM that knows the number, from memory. */
function contactIn(
  crms: readonly { readonly entry: { readonly name: string }; readonly mirror: ContactMirror }[],
  directory: StaffDirectory,
  number: string,
): KnownContact | null {
  for (const { entry, mirror } of crms) {
    const contact = mirror.find(number);
    if (contact === null) continue;
    const { name, company, url, responsibleId } = contact;
    const responsible = responsibleId === null ? null : (directory.byCrmUser(entry.name, responsibleId)?.name ?? null);
    return { name, company, url, crm: entry.name, responsible };
  }
  return null;
}

function countBySource(tracker: CallTracker): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { source } of tracker.openCalls()) counts.set(source, (counts.get(source) ?? 0) + 1);
  return counts;
}

function trackerStatus(tracker: CallTracker): PartStatus {
  const { saveFailure } = tracker;
  const openCalls = tracker.openCalls().length;
  return saveFailure === null
    ? { part: 'ledger', health: 'ok', message: `${openCalls} calls now`, openCalls }
    : {
        part: 'ledger',
        health: 'error',
        message: `cannot be written: ${saveFailure}. It is tried again by itself.`,
        openCalls,
      };
}

const leaseStatus = (name: string): PartStatus => ({
  part: `${name}: standby`,
  health: 'ok',
  message: 'another node follows this phone system; this one takes over when it stops',
});
const noPbxStatus: PartStatus = {
  part: 'phone systems',
  health: 'warning',
  message: 'None is configured: no call is followed. Add one under pbx in the configuration.',
};
