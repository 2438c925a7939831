import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { hookNames, type HookName } from '../../core/hooks.ts';
import type { Door } from '../door.ts';
import { notFound, parseInput, WebFault } from '../fault.ts';
import type { HookDoor, HookPlace, HookSaving, HookTextFault, OpenHook } from '../hook-door.ts';
import { shortText } from '../query.ts';

/** A hook's text has at most 256 KB; as JSON each character may take more. */
const bodyLimit = 1024 * 1024;
/** Whose hook it was. */
const config = { audited: ['crm'] };
/** Beyond the hook's own deadline: for compiling and starting it. */
const startMs = 20_000;

const hookName = z.enum(hookNames as [HookName, ...HookName[]], 'is no hook');
const ofHook = z.strictObject({ hook: hookName });
const ofVersion = z.strictObject({ hook: hookName, id: shortText });
const ofCrm = z.strictObject({ crm: shortText.optional() });
const language = z.enum(['ts', 'js', 'php', 'python'], 'must be one of ts, js, php, python');
const ofDraft = z.strictObject({ ...ofCrm.shape, language });
const text = z.string().max(256 * 1024, 'is too long');
const stamp = z.string().max(64);

const saveBody = z.strictObject({ text, basedOn: stamp.nullable(), language: language.nullable().default(null) });
const removeBody = z.strictObject({ basedOn: stamp });
const restoreBody = z.strictObject({ basedOn: stamp.nullable() });
const trialBody = z.strictObject({
  text: text.nullable().default(null),
  language: language.nullable().default(null),
  call: z
    .strictObject({ source: shortText.nullable().default(null), linkedId: shortText })
    .nullable()
    .default(null),
});

/** The integrators' hooks: looking at them, writing them and trying them. For administrators alone, like all that is not named otherwise. */
export function addHookRoutes(api: FastifyInstance, door: Door, hooks: HookDoor): void {
  api.register(async (own) => {
    // Hooks hold secrets of CRMs; who may only look at calls has no business with them.
    own.addHook('onRequest', async (request) => {
      if (door.visitorOf(request).access === 'read')
        throw new WebFault(403, 'read_only', 'Hooks are shown to those who may change them.');
    });
    addRoutes(own, hooks);
  });
}

function addRoutes(api: FastifyInstance, hooks: HookDoor): void {
  const placeOf = (request: FastifyRequest): HookPlace => ({
    hook: parseInput(ofHook, request.params).hook,
    crm: parseInput(ofCrm, request.query).crm ?? null,
  });

  api.get('/hooks', async () => hooks.list());
  api.get('/hooks/:hook', async (request) => hooks.open(placeOf(request)));

  api.get('/hooks/:hook/draft', async (request) => {
    const { crm, language: wanted } = parseInput(ofDraft, request.query);
    return hooks.draft({ hook: parseInput(ofHook, request.params).hook, crm: crm ?? null }, wanted);
  });

  api.patch('/hooks/:hook', { bodyLimit, config }, async (request) =>
    toAnswer(await hooks.save(placeOf(request), parseInput(saveBody, request.body))),
  );

  api.post('/hooks/:hook/switch-off', { config }, async (request) =>
    toAnswer(await hooks.switchOff(placeOf(request), parseInput(removeBody, request.body).basedOn)),
  );

  api.post('/hooks/:hook/test', { bodyLimit, config }, async (request) => {
    const place = placeOf(request);
    const trial = parseInput(trialBody, request.body);
    const { deadlineMs } = await hooks.open(place);
    // The connection is silent while the hook thinks.
    request.raw.setTimeout(deadlineMs + startMs);
    const report = await hooks.rehearse(place, trial);
    if (report === null) throw notFound('call');
    return report;
  });

  api.get('/hooks/:hook/versions', async (request) => ({ items: await hooks.versions(placeOf(request)) }));

  const ofKept = (request: FastifyRequest) => {
    const { hook, id } = parseInput(ofVersion, request.params);
    return { place: { hook, crm: parseInput(ofCrm, request.query).crm ?? null }, id };
  };
  api.get('/hooks/:hook/versions/:id', async (request) => {
    const { place, id } = ofKept(request);
    return hooks.version(place, id);
  });
  api.post('/hooks/:hook/versions/:id/restore', { config }, async (request) => {
    const { place, id } = ofKept(request);
    return toAnswer(await hooks.restore(place, id, parseInput(restoreBody, request.body).basedOn));
  });
}

function toAnswer(saving: HookSaving): OpenHook {
  if (saving.outcome === 'saved') return saving.hook;
  if (saving.outcome === 'conflict') throw new WebFault(409, 'changed_meanwhile', saving.message);
  const fields = saving.faults.map((fault) => ({ field: fieldOf(fault), message: fault.message }));
  throw new WebFault(422, 'does_not_load', `It was not saved: ${fields.map(describe).join('; ')}`, fields);
}

const describe = ({ field, message }: { readonly field: string; readonly message: string }) =>
  field === 'text' ? message : `${field.replace('text:', '')}: ${message}`;

/** `text:12:5`: line and column. */
const fieldOf = ({ line, column }: HookTextFault): string =>
  ['text', line, line === null ? null : column].filter((part) => part !== null).join(':');
