/** The telephony integration in the CRM: what it must be, what it is, and what would change. */
import { z } from 'zod';
import type { CrmUser, Employee } from '../../core/ports.ts';
import type { RetailcrmApi } from './api.ts';
import type { RetailcrmConfig } from './config.ts';

/** The settings that both versions of the API have, in one form. */
export interface IntegrationSettings {
  readonly active: boolean;
  readonly name: string;
  readonly logo: string | null;
  /** Null: the CRM keeps it to itself. */
  readonly clientId: string | null;
  readonly makeCallUrl: string | null;
  readonly changeUserStatusUrl: string | null;
  readonly allowEdit: boolean;
  readonly inputEventSupported: boolean;
  readonly outputEventSupported: boolean;
  readonly hangupEventSupported: boolean;
  /** Extension → the user's id. */
  readonly additionalCodes: ReadonlyMap<string, string>;
  /** Outside number → symbolic code of the shop. */
  readonly externalPhones: ReadonlyMap<string, string>;
}

export interface IntegrationChange {
  readonly field: string;
  /** Null: it is not there. A secret is never told. */
  readonly from: string | null;
  readonly to: string | null;
}

const flag = z.boolean().nullish();
const word = z.string().nullish();
const telephonySchema = z.looseObject({
  clientId: word,
  makeCallUrl: word,
  changeUserStatusUrl: word,
  allowEdit: flag,
  inputEventSupported: flag,
  outputEventSupported: flag,
  hangupEventSupported: flag,
  additionalCodes: z
    .array(z.looseObject({ userId: z.coerce.string(), code: z.coerce.string() }))
    .nullish()
    .catch(null),
  externalPhones: z
    .array(z.looseObject({ siteCode: word, externalPhone: z.coerce.string() }))
    .nullish()
    .catch(null),
});
const headSchema = { active: flag, name: word, logo: word, clientId: word };
const moduleSchema = z.looseObject({
  integrationModule: z.looseObject({
    ...headSchema,
    integrations: z.looseObject({ telephony: telephonySchema.nullish() }).nullish().catch(null),
  }),
});
const configurationSchema = z.looseObject({
  configuration: telephonySchema.extend({ active: flag, name: word, image: word }),
});
const editedSchema = z.looseObject({
  info: z.record(z.string(), z.unknown()).nullish().catch(null),
});

/** The addresses below the public one at which the CRM asks us; see `src/web/routes/retailcrm.ts`. */
const addressOf = (publicUrl: string | null, crm: string, what: 'make-call' | 'user-status') =>
  publicUrl === null ? null : `${publicUrl.replace(/\/+$/, '')}/retailcrm/${encodeURIComponent(crm)}/${what}`;

/** What the configuration and the users want the integration to be. */
export function wantedIntegration(parts: {
  readonly crm: string;
  readonly settings: RetailcrmConfig;
  readonly publicUrl: string | null;
  readonly users: readonly CrmUser[];
  readonly staff: readonly Employee[];
}): IntegrationSettings {
  const { crm, settings, publicUrl, users, staff } = parts;
  const additionalCodes = new Map<string, string>();
  for (const user of users) {
    if (!user.isActive) continue;
    const isHim = (employee: Employee) =>
      employee.id === user.id || (user.email !== null && employee.email?.toLowerCase() === user.email.toLowerCase());
    const extensions = staff.filter((one) => one.isActive && isHim(one)).flatMap((one) => one.extensions);
    for (const extension of [...user.extensions, ...extensions]) {
      if (!additionalCodes.has(extension)) additionalCodes.set(extension, user.id);
    }
  }
  return {
    active: true,
    name: settings.integration.title,
    logo: settings.integration.logo,
    clientId: settings.clientToken,
    makeCallUrl: addressOf(publicUrl, crm, 'make-call'),
    changeUserStatusUrl: addressOf(publicUrl, crm, 'user-status'),
    allowEdit: settings.integration.allowEdit,
    inputEventSupported: true,
    outputEventSupported: true,
    hangupEventSupported: true,
    additionalCodes,
    externalPhones: new Map(Object.entries(settings.lines)),
  };
}

const digitsOf = (number: string) => number.replaceAll(/\D/g, '');

/** What would change, field by field and extension by extension; empty: nothing. */
export function compareIntegrations(is: IntegrationSettings | null, wanted: IntegrationSettings): IntegrationChange[] {
  const changes: IntegrationChange[] = [];
  const compare = (field: string, from: unknown, to: unknown) => {
    const [before, after] = [from, to].map((value) => (value === undefined || value === null ? null : String(value)));
    if (before !== after) changes.push({ field, from: before!, to: after! });
  };
  for (const field of plainFields) compare(field, is?.[field], wanted[field]);
  if (is === null || (is.clientId !== null && is.clientId !== wanted.clientId)) {
    changes.push({
      field: 'clientId',
      from: is === null ? null : 'another secret',
      to: 'the secret of the configuration',
    });
  }
  const codes = is?.additionalCodes ?? new Map<string, string>();
  for (const code of new Set([...codes.keys(), ...wanted.additionalCodes.keys()])) {
    compare(`additionalCodes ${code}`, codes.get(code), wanted.additionalCodes.get(code));
  }
  // The CRM may keep a number in its own way of writing.
  const lines = new Map([...(is?.externalPhones ?? [])].map(([number, shop]) => [digitsOf(number), { number, shop }]));
  for (const [number, shop] of wanted.externalPhones) {
    compare(`externalPhones ${number}`, lines.get(digitsOf(number))?.shop, shop);
    lines.delete(digitsOf(number));
  }
  for (const { number, shop } of lines.values()) compare(`externalPhones ${number}`, shop, undefined);
  return changes;
}

const plainFields = [
  'active',
  'name',
  'logo',
  'makeCallUrl',
  'changeUserStatusUrl',
  'allowEdit',
  'inputEventSupported',
  'outputEventSupported',
  'hangupEventSupported',
] as const;

/** The integration as the CRM has it; null: it is not registered. */
export async function readIntegration(api: RetailcrmApi, code: string): Promise<IntegrationSettings | null> {
  const ask = { isUrgent: true };
  if ((await api.version()) === 'v4') {
    const answer = await api.get(`/telephony/setting/${code}`, configurationSchema, ask);
    if (answer === null) return null;
    const { image, ...configuration } = answer.configuration;
    return toSettings({ ...configuration, logo: image }, configuration);
  }
  const answer = await api.get(`/integration-modules/${code}`, moduleSchema, ask);
  if (answer === null) return null;
  return toSettings(answer.integrationModule, answer.integrationModule.integrations?.telephony ?? {});
}

/** Registers the integration, or changes the one that is there. Returns what the CRM remarks on it. */
export async function writeIntegration(
  api: RetailcrmApi,
  settings: RetailcrmConfig,
  wanted: IntegrationSettings,
): Promise<readonly string[]> {
  const { code } = settings.integration;
  const { active, name, logo, clientId, additionalCodes, externalPhones, ...rest } = wanted;
  const telephony = {
    ...rest,
    clientId,
    makeCallUrl: rest.makeCallUrl ?? '',
    changeUserStatusUrl: rest.changeUserStatusUrl ?? '',
    additionalCodes: [...additionalCodes].map(([extension, userId]) => ({ userId, code: extension })),
    externalPhones: [...externalPhones].map(([externalPhone, siteCode]) => ({ siteCode, externalPhone })),
  };
  const origin = wanted.makeCallUrl === null ? null : new URL(wanted.makeCallUrl).origin;
  const form =
    (await api.version()) === 'v4'
      ? { configuration: { ...telephony, active, name, ...(logo === null ? {} : { image: logo }) } }
      : {
          integrationModule: {
            code,
            integrationCode: code,
            active,
            name,
            clientId,
            ...(logo === null ? {} : { logo }),
            ...(origin === null ? {} : { baseUrl: origin, accountUrl: origin }),
            integrations: { telephony },
          },
        };
  const path = (await api.version()) === 'v4' ? `/telephony/setting/${code}/edit` : `/integration-modules/${code}/edit`;
  const { info } = await api.post(path, editedSchema, form, { isUrgent: true });
  return Object.entries(info ?? {}).flatMap(([notice, values]) =>
    Array.isArray(values) && values.length > 0 ? [`${notice}: ${values.join(', ')}`] : [],
  );
}

function toSettings(
  head: { active?: boolean | null; name?: string | null; logo?: string | null; clientId?: string | null },
  telephony: Partial<z.output<typeof telephonySchema>>,
): IntegrationSettings {
  const codes = telephony.additionalCodes ?? [];
  const phones = telephony.externalPhones ?? [];
  return {
    active: head.active === true,
    name: head.name ?? '',
    logo: head.logo || null,
    clientId: telephony.clientId ?? head.clientId ?? null,
    makeCallUrl: telephony.makeCallUrl || null,
    changeUserStatusUrl: telephony.changeUserStatusUrl || null,
    allowEdit: telephony.allowEdit === true,
    inputEventSupported: telephony.inputEventSupported === true,
    outputEventSupported: telephony.outputEventSupported === true,
    hangupEventSupported: telephony.hangupEventSupported === true,
    additionalCodes: new Map(codes.map(({ code, userId }) => [code, userId])),
    externalPhones: new Map(phones.map(({ externalPhone, siteCode }) => [externalPhone, siteCode ?? ''])),
  };
}
