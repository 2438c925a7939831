/** The first set-up: tries what was typed in before it is saved, and finds what is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { withCrm } from './open-crm.ts';
import type { Config } from '../config.ts';
import { replaceText } from '../config/settings-file.ts';
import { Rejected } from '../core/errors.ts';
import type { Clock, Log } from '../core/ports.ts';
import { Turns } from '../core/turns.ts';
import { crmKinds, type CrmKind } from '../crm/index.ts';
import { readFolder } from '../dialplan/files.ts';
import { checkManager } from '../doctor/check-manager.ts';
import { listEndpoints } from '../doctor/check-staff.ts';
import { createAsteriskView } from '../doctor/control-view.ts';
import { managerUsersOf } from '../doctor/patient.ts';
import { createNumberPlan } from '../numbering/number-plan.ts';
import { asteriskConfig, type AsteriskConfig } from '../pbx/asterisk/config.ts';
import type { ControlSession } from '../pbx/asterisk/control-session.ts';
import { createControlSession } from '../pbx/asterisk/source.ts';
import { shippedFile } from './shipped-file.ts';
import type { AmiTrial, Examination, FoundPhone, SetupDoor } from '../web/ports.ts';

interface SetupParts {
  /** As the file says now. */
  readonly current: () => Config;
  readonly stateFolder: string;
  readonly clock: Clock;
  readonly log: Log;
}

const progressForm = z.object({ at: z.string(), isFinished: z.boolean() });
const answerMs = 6_000;

export function createSetup({ current, stateFolder, clock, log }: SetupParts): SetupDoor {
  const progressFile = join(stateFolder, 'setup.json');
  const turns = new Turns();
  const readProgress = () => {
    try {
      return progressForm.parse(JSON.parse(readFileSync(progressFile, 'utf8')));
    } catch {
      return { at: 'ami', isFinished: false };
    }
  };

  return {
    async state() {
      const config = current();
      const pbx = config.pbx.find(({ ami }) => ami !== null);
      const { ami = null, name = '' } = pbx ?? {};
      return {
        ...readProgress(),
        done: {
          ami: ami !== null,
          users: config.users.some(({ extensions }) => extensions.length > 0),
          crm: config.crm.some(({ kind }) => kind !== 'local'),
          dialplan: existsSync(config.dialplan.folder) && readFolder(config.dialplan.folder).length > 0,
        },
        users: config.users.map(({ id, name: called, extensions }) => ({ id, name: called, extensions })),
        crms: config.crm.map(({ name: crm, kind }) => ({ name: crm, kind })),
        ami:
          ami === null
            ? null
            : {
                name,
                host: ami.host,
                port: ami.port,
                events: ami.events.username,
                control: ami.control?.username ?? null,
              },
      };
    },
    async keep(progress) {
      await turns.take(progressFile, () => replaceText(progressFile, JSON.stringify(progress)));
    },

    async tryAmi(trial) {
      const users = completeUsers(trial, current());
      const findings: Examination[] = [];
      const sessions: ControlSession[] = [];
      const config = asteriskOf(trial, users);
      try {
        for (const role of ['events', 'control'] as const) {
          const user = users[role];
          if (user === null) continue;
          const session = open({ ...config, ami: { ...config.ami!, control: user } }, { clock, log });
          sessions.push(session);
          const check = `AMI user ${user.username} (${role})`;
          try {
            await session.action([['Action', 'Ping']], answerMs);
          } catch {
            findings.push({ check, state: 'error', ...explainSilence(session.status().message, trial) });
            continue;
          }
          findings.push({ check, state: 'ok', message: 'Asterisk took the login.', mend: null });
          if (role === 'control') {
            const looked = await checkManager(
              'Asterisk',
              createAsteriskView(session),
              managerUsersOf({ ...config.ami!, control: user }),
            );
            findings.push(...looked);
          }
        }
      } finally {
        await Promise.all(sessions.map((session) => session.stop()));
      }
      return { findings, managerLines: managerLines(trial) };
    },

    async findPhones() {
      const config = current();
      const pbx = config.pbx.find(({ ami }) => ami?.control != null);
      if (pbx === undefined)
        throw new Rejected('Asterisk can be asked for its phones once an AMI user for commands is configured.');
      const plan = createNumberPlan(config.numbering, () => false);
      const session = open(pbx, { clock, log });
      try {
        await session.action([['Action', 'Ping']], answerMs).catch(() => {
          throw new Rejected(session.status().message);
        });
        const view = createAsteriskView(session);
        const names = (await listEndpoints(view)).filter((name) => plan.isExtension(name) && !plan.isTrunk(name));
        const phones: FoundPhone[] = [];
        for (const extension of names.slice(0, mostPhones)) {
          phones.push({ extension, name: await findName(view, extension) });
        }
        return phones.sort((a, b) => a.extension.localeCompare(b.extension, 'en', { numeric: true }));
      } finally {
        await session.stop();
      }
    },

    async tryCrm({ name, kind, settings }) {
      const config = current();
      const entry =
        settings === null
          ? config.crm.find((one) => one.name === name)
          : { name, kind: kind as CrmKind, registration: null, settings: readCrmSettings(kind, settings) };
      if (entry === undefined) throw new Rejected(`There is no CRM ${name} in the configuration.`);
      const parts = await withCrm(config, entry as Config['crm'][number], ({ adapter }) => adapter.check());
      return parts.map(({ part, health, message }) => ({ check: part, state: health, message, mend: null }));
    },
  };
}

const mostPhones = 300;

/** Throws `Rejected` with every field that is wrong. */
function readCrmSettings(kind: string, settings: unknown): unknown {
  if (!Object.hasOwn(crmKinds, kind)) throw new Rejected(`There is no kind of CRM called ${kind}.`);
  const read = crmKinds[kind as CrmKind].config.safeParse(settings);
  if (read.success) return settings;
  throw wrongFields(read.error.issues, 'settings');
}

/** Each field with what is wrong with it; what is wrong with all of them together is told of `whole`. */
function wrongFields(issues: readonly z.core.$ZodIssue[], whole: string): Rejected {
  const details = Object.fromEntries(issues.map(({ path, message }) => [path.join('.') || whole, message]));
  const words = Object.entries(details).map(([field, message]) => `${field}: ${message}`);
  return new Rejected(words.join('; '), { details });
}

interface AmiUsers {
  readonly events: { readonly username: string; readonly secret: string };
  readonly control: { readonly username: string; readonly secret: string } | null;
}

/** A secret that was not typed in is the configured one, and goes nowhere but where it goes already. */
function completeUsers(trial: AmiTrial, config: Config): AmiUsers {
  const known = config.pbx.flatMap(({ ami }) =>
    ami !== null && ami.host === trial.host && ami.port === trial.port
      ? [ami.events, ...(ami.control ? [ami.control] : [])]
      : [],
  );
  const complete = ({ username, secret }: AmiTrial['events']) => {
    const found = secret ?? known.find((user) => user.username === username)?.secret;
    if (found === undefined) throw new Rejected(`Type in the secret of ${username}.`);
    return { username, secret: found };
  };
  return { events: complete(trial.events), control: trial.control === null ? null : complete(trial.control) };
}

function asteriskOf({ host, port }: AmiTrial, { events, control }: AmiUsers): AsteriskConfig {
  const read = asteriskConfig.safeParse({ name: 'trial', kind: 'asterisk', ami: { host, port, events, control } });
  if (read.success) return read.data;
  const issues = read.error.issues.map((issue) => ({ ...issue, path: issue.path.slice(1) }));
  throw wrongFields(issues, 'ami');
}

function open(pbx: AsteriskConfig, parts: { readonly clock: Clock; readonly log: Log }): ControlSession {
  const session = createControlSession(pbx, parts)!;
  session.start();
  return session;
}

/** What a person does about a login that did not happen. */
function explainSilence(told: string, { host, port }: AmiTrial): { readonly message: string; readonly mend: string } {
  const reload = 'then: asterisk -rx "manager reload"';
  if (/refused the login/.test(told)) {
    return {
      message: 'Asterisk answered, and refused this user or secret.',
      mend: `Put the lines below into manager.conf, with the same secret; permit must hold the address that we come from; ${reload}`,
    };
  }
  if (/ECONNREFUSED/.test(told)) {
    return {
      message: `Nothing listens at ${host}:${port}.`,
      mend: `Is Asterisk running? In [general] of manager.conf: enabled = yes, port = ${port}, bindaddr = 127.0.0.1; ${reload}`,
    };
  }
  if (/ENOTFOUND|EAI_AGAIN/.test(told))
    return { message: `There is no machine called ${host}.`, mend: 'Correct the name, or write the IP address.' };
  if (/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|did not answer|Connecting/.test(told)) {
    return {
      message: `${host}:${port} does not answer as AMI does.`,
      mend: `Is it the right machine and port, and does a firewall let us through? AMI's port is 5038 unless manager.conf says otherwise.`,
    };
  }
  return {
    message: told,
    mend: 'Compare host, port, user and secret with manager.conf: asterisk -rx "manager show users"',
  };
}

/** What belongs into manager.conf, with these names; the secrets are the person's to fill in. */
function managerLines({ events, control }: AmiTrial): string {
  const file = shippedFile('packaging/asterisk/manager-ringledger.conf');
  const text = readFileSync(file, 'utf8').replace('[ringledger-events]', `[${events.username}]`);
  return text
    .slice(text.indexOf('; Follows calls'))
    .replace('[ringledger-control]', `[${control?.username ?? 'ringledger-control'}]`);
}

/** The name in the caller id of a PJSIP endpoint or a chan_sip peer. */
async function findName(view: { command(text: string): Promise<string> }, extension: string): Promise<string | null> {
  for (const question of [`pjsip show endpoint ${extension}`, `sip show peer ${extension}`]) {
    const text = await view.command(question).catch(() => '');
    const name = /^\s*callerid\s*:\s*"?([^"<\n]*?)"?\s*(?:<[^>\n]*>)?\s*$/im.exec(text)?.[1]?.trim() ?? '';
    if (name !== '' && name !== '<unknown>' && name !== extension) return name;
  }
  return null;
}
