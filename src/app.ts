/** The whole house, built in reading order from its configuration. Nothing here decides anything about a call. */
import { dirname, join } from 'node:path';
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { localTokenFile, type Config } from './config.ts';
import type { CallerLookup } from './core/caller-lookup.ts';
import { ClickToCall } from './core/click-to-call.ts';
import type { Clock, Log, PartStatus, PbxEventSink, PbxSource } from './core/ports.ts';
import { CallTracker, defaultTrackerSettings } from './core/tracking/call-tracker.ts';
import { createNumbering, createScreen, readClickToCall, readRules } from './installation/foundations.ts';
import { openKommoDoors, openRetailcrmDoors } from './installation/service/crm-requests.ts';
import { openCrms } from './installation/service/crms.ts';
import { createDeliveries } from './installation/service/deliveries.ts';
import { answerDialplan } from './installation/service/dialplan-questions.ts';
import type { Ground } from './installation/service/ground.ts';
import { installHooks } from './installation/service/hooks.ts';
import { watchNodes } from './installation/nodes.ts';
import { createInterface } from './installation/service/interface.ts';
import { createOpenCalls } from './installation/service/open-calls.ts';
import { followPhoneSystems } from './installation/service/phone-systems.ts';
import type { SettingsOrigin } from './installation/settings.ts';
import { createClickBook } from './storage/click-book.ts';
import { openDatabase } from './storage/connection.ts';
import { checkDatabase } from './storage/health.ts';
import { createLedgerQueries } from './storage/ledger-queries.ts';
import { migrateDatabase } from './storage/migrate.ts';
import { holdNodeLease } from './storage/node-lease.ts';
import { createNodeRegister } from './storage/node-register.ts';
import { createSpool } from './storage/spool.ts';
import { keepStatistics } from './storage/statistics.ts';
import { createUsedTokens } from './storage/used-tokens.ts';
import { createLiveCalls } from './web/live-calls.ts';
import { ensureLocalToken } from './web/local-token.ts';
import { createMetrics } from './web/metrics.ts';
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

/** Builds and starts everything; resolves once calls are followed and questions answered. Rejects when it cannot start. */
export async function createApp(config: Config, parts: AppParts): Promise<App> {
  const { log } = parts;
  const clock: Clock = parts.clock ?? { now: () => new Date() };
  const undo: (() => Promise<unknown> | unknown)[] = [];
  const onStop: Ground['onStop'] = (step) => void undo.push(step);
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
    const stateFolder = dirname(tokenFile);
    mkdirSync(stateFolder, { recursive: true, mode: 0o750 });
    const database = await openDatabase(config.storage);
    onStop(() => database.close());
    const ran = await migrateDatabase(database);
    if (ran.length > 0) log.info({ migrations: ran }, 'the database was brought up to date');

    // Who works here, and what numbers mean.
    const numbering = createNumbering(config);
    const { directory, plan } = numbering;
    const node = `${config.installation.name}@${hostname()}`;
    const ground: Ground = { ...numbering, config, node, database, stateFolder, clock, log, onStop };

    // The CRMs, and what is known of their contacts and users.
    const crms = await openCrms(ground);

    // The integrators' code.
    const { hooks, runs: hookRuns, openWorkshop } = await installHooks(ground, crms);

    // From calls to the ledger, and from the ledger to the CRMs.
    let publicUrl = config.http.publicUrl ?? `http://${config.http.host}:${config.http.port}`;
    const deliveries = await createDeliveries(ground, {
      crms,
      hooks,
      publicUrl: () => publicUrl,
      countAttempt: (attempt) => metrics.countDeliveryAttempt(attempt),
    });
    const { runner, recordings } = deliveries;

    // Calls that people ask for with a click.
    const clickToCall = new ClickToCall(
      {
        directory,
        plan,
        book: createClickBook(database),
        sources: () => phoneSystems.sources.values(),
        hooksOf: (requester) => hooks.forCrm(requester),
        nameOf: (number) => questions.nameOfCaller(number),
        clock,
        log,
      },
      readClickToCall(config, plan),
    );

    const metrics = createMetrics({ log, openCalls: () => countBySource(tracker), deliveries: deliveries.store });
    const ledger = createLedgerQueries(database);
    const openCalls = createOpenCalls({
      followed: () => tracker.openCalls(),
      notFollowed: () => phoneSystems.notFollowed(),
      ledger,
      log,
    });
    const live = createLiveCalls(openCalls);
    const tracker = new CallTracker({
      store: deliveries.callStore,
      plan,
      clock,
      log,
      watchers: [
        metrics.callWatcher,
        live.callWatcher,
        deliveries.cards.callWatcher,
        ...(recordings === null ? [] : [recordings.watcher]),
      ],
      screen: createScreen(readRules(config, config.registration, plan).lists),
      settings: { ...defaultTrackerSettings, keepsInternal: config.calls.internal === 'keep' },
    });
    onStop(() => tracker.stop());
    const ticking = setInterval(() => void tracker.tick(), 1_000);
    onStop(() => clearInterval(ticking));
    const spool = createSpool({ sink: tracker, path: join(stateFolder, 'spool.jsonl'), log });
    await spool.start();
    onStop(() => spool.stop());
    const sink: PbxEventSink = {
      accept: async (events) => {
        await spool.accept(events);
        metrics.countPbxEvents(events, clock.now());
      },
      resynced: (snapshot) => spool.resynced(snapshot),
    };

    await runner.start();
    onStop(() => runner.stop());
    onStop(() => Promise.all(crms.all.map((crm) => crm.finish?.())));
    if (recordings !== null) {
      // Converting is for one node at a time; links and deliveries are answered by all.
      const { start, stop } = recordings;
      const lease = holdNodeLease({ database, role: 'recordings', log, onHeld: start, onLost: stop });
      onStop(() => lease.stop());
    }
    crms.startSyncs();
    const checks = crms.startChecks();

    const nodes = watchNodes({
      config,
      name: ground.node,
      register: createNodeRegister(database),
      hooks: () => hooks.digests(),
      log,
    });
    nodes.start();
    onStop(() => nodes.stop());

    // The phone systems. On several nodes, one at a time follows each, and any commands it.
    const phoneSystems = await followPhoneSystems(ground, { tracker, sink });
    const { sources, stateOf } = phoneSystems;

    // Questions of the dialplan.
    const questions = await answerDialplan(ground, { crms: crms.all, hooks, metrics, stateOf });
    const { agi, lookup, nameOfCaller } = questions;

    // What CRMs ask of us.
    const retailcrms = openRetailcrmDoors(ground, [...sources.values()]);
    const kommoWidgets = openKommoDoors(config, openCalls);

    // What people and programs ask.
    const statusProviders: (() => readonly PartStatus[] | Promise<readonly PartStatus[]>)[] = [
      async () => [await checkDatabase(database)],
      () => [trackerStatus(tracker), spool.status()],
      () => phoneSystems.status(),
      () => nodes.status(),
      () => agi.status(),
      () => questions.search.status(),
      () => crms.syncs.flatMap((sync) => sync.status()),
      () => checks.status(),
      () => runner.status(),
      () => recordings?.status() ?? [],
      () => hooks.status(),
    ];
    const shown = createInterface(ground, { crms, deliveries, live, origin: parts.origin ?? null });
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
        deliveries: deliveries.store,
        crms: crms.names,
        contactBook: crms.book,
        recordings: recordings?.door ?? null,
        callerNames: { callerName: nameOfCaller },
        lookup: { trace: (question) => lookup.trace(question) },
        clickToCall,
        retailcrms,
        kommoWidgets,
        hooks: openWorkshop({ ledger, sources }),
        hookRuns,
        toClientNumber: (raw) => plan.toClientNumber(raw),
        interface: shown,
      },
    });
    const { port: httpPort } = await web.start();
    onStop(() => web.stop());
    if (config.http.publicUrl === null) publicUrl = `http://${config.http.host}:${httpPort}`;
    const { users, firstRun } = shown;
    if (await users.isEmpty()) {
      firstRun.prepare();
      log.info(
        { page: `${publicUrl}/ui/`, file: firstRun.file },
        'nobody can sign in yet: open the page and type in the token of the file',
      );
    }
    log.info({ agiPort: agi.port, httpPort }, 'ready');
    // A long ledger takes a while to be looked through; calls need not wait for that.
    const statistics = keepStatistics({ database, log });
    onStop(() => statistics.stop());

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
