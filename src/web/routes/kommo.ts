import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Call } from '../../core/call.ts';
import { CallRefused, type Click } from '../../core/click-to-call.ts';
import type { ConversationRow } from '../../core/ledger-queries.ts';
import { Retryable } from '../../core/errors.ts';
import { toClickFault } from '../click-fault.ts';
import type { Door } from '../door.ts';
import { notFound, parseInput, WebFault } from '../fault.ts';
import { createKommoTokenCheck } from '../kommo-token.ts';
import type { KommoWidgetDoor } from '../ports.ts';
import { createGuessCounter } from '../tokens.ts';

const place = z.object({ crm: z.string().min(1).max(200) });
const newCall = z.strictObject({ phone: z.string().min(1).max(64) });
const stockQuery = z.looseObject({
  _login: z.string().max(200),
  _secret: z.string().max(500),
  _action: z.string().max(50),
});
/** A `+` that stands unescaped in an address arrives as a blank. */
const number = z.string().trim().min(1).max(64);
const stockCall = z.looseObject({ from: number, to: number });
const seconds = z.coerce.number().int().min(0).max(99_999_999_999);
const stockSpan = z.looseObject({ date_from: seconds, date_to: seconds });

const digest = (text: string) => createHash('sha256').update(text, 'utf8').digest();
const mostRows = 500;

/**
 * What an amoCRM/Kommo account's pages ask of us. `POST /kommo/<crm>/call {"phone"}` comes from a widget of one's own,
 * with the CRM's one-time token. `GET /kommo/<crm>/asterisk` speaks the protocol of the CRM's stock "Asterisk" widget:
 * `_action=call|status|cdr`, answered as JSONP for `asterisk_cb`.
 */
export function addKommoRoutes(app: FastifyInstance, { parts }: Door): void {
  const { clickToCall, log } = parts;
  const widgets = new Map((parts.kommoWidgets ?? []).map((widget) => [widget.name, widget]));
  const checkToken = createKommoTokenCheck(parts.clock, parts.usedTokens);
  const guesses = createGuessCounter(parts.clock);

  const find = (request: FastifyRequest): KommoWidgetDoor => {
    const widget = widgets.get(parseInput(place, request.params).crm);
    if (widget === undefined) throw notFound('CRM');
    return widget;
  };
  /** Only pages of the account itself may ask. */
  const allowOrigin = (reply: FastifyReply, widget: KommoWidgetDoor) =>
    reply.headers({ 'access-control-allow-origin': widget.account, vary: 'Origin' });
  const start = (widget: KommoWidgetDoor, click: Pick<Click, 'crmUser' | 'extension' | 'number' | 'requestData'>) =>
    clickToCall.start({ ...click, requester: widget.name, employeeId: null, clientName: null, did: null });
  async function guarded<Result>(request: FastifyRequest, check: () => Promise<Result> | Result): Promise<Result> {
    if (guesses.isTooMany(request.ip))
      throw new WebFault(429, 'too_many_guesses', 'Too many wrong tries; wait a minute.');
    try {
      return await check();
    } catch (error) {
      if (error instanceof WebFault && error.status === 401) guesses.count(request.ip);
      throw error;
    }
  }

  app.options('/kommo/:crm/call', async (request, reply) => {
    allowOrigin(reply, find(request));
    const allowed = { methods: 'POST', headers: 'X-Auth-Token, Content-Type', 'max-age': '600' };
    for (const [name, value] of Object.entries(allowed)) {
      reply.header(name === 'max-age' ? 'access-control-max-age' : `access-control-allow-${name}`, value);
    }
    return reply.code(204).send();
  });

  app.post('/kommo/:crm/call', async (request, reply) => {
    const widget = find(request);
    allowOrigin(reply, widget);
    const token = request.headers['x-auth-token'];
    const { userId } = await guarded(request, () => checkToken(widget, typeof token === 'string' ? token : ''));
    const { phone } = parseInput(newCall, request.body);
    try {
      const crmUser = { crm: widget.name, userId };
      const state = await start(widget, { crmUser, extension: null, number: phone, requestData: { phone, userId } });
      return await reply.code(202).send({ call_id: state.requestId });
    } catch (error) {
      throw toClickFault(error);
    }
  });

  app.get('/kommo/:crm/asterisk', async (request, reply) => {
    const widget = find(request);
    const asked = stockQuery.safeParse(request.query);
    if (!asked.success) return reply.type('text/plain').send('NO_PARAMS');
    const { _login, _secret, _action, ...query } = asked.data;
    const isLetIn = await guarded(request, () => {
      const { stock } = widget;
      const given = timingSafeEqual(
        digest(`${_login}\n${_secret}`),
        digest(`${stock?.login ?? ''}\n${stock?.password ?? ''}`),
      );
      if (stock === null || !given) throw new WebFault(401, 'wrong_login', 'The login or the secret is wrong.');
      return true;
    }).catch((error: unknown) => {
      if (error instanceof WebFault && error.status === 401) return false;
      throw error;
    });
    const answer = (status: 'ok' | 'error', data: unknown) => {
      const body = JSON.stringify({ status, action: _action, data }).replace(/[\u2028\u2029<]/g, escapeForScript);
      return reply.type('text/javascript; charset=utf-8').send(`asterisk_cb(${body});`);
    };
    if (!isLetIn) return answer('error', 'AUTH_FAILED');

    if (_action === 'status') return answer('ok', widget.openCalls().flatMap(describeRinging));
    if (_action === 'call') {
      const wanted = stockCall.safeParse(query);
      if (!wanted.success) return reply.type('text/plain').send('NO_PARAMS');
      const { from, to } = wanted.data;
      try {
        const state = await start(widget, { crmUser: null, extension: from, number: to, requestData: query });
        return await answer('ok', { requestId: state.requestId });
      } catch (error) {
        if (!(error instanceof CallRefused || error instanceof Retryable)) throw error;
        log.warn({ crm: widget.name, extension: from, reason: error.message }, 'a click in the CRM placed no call');
        return answer('error', error.message);
      }
    }
    if (_action === 'cdr') {
      const span = stockSpan.safeParse(query);
      if (!span.success) return reply.type('text/plain').send('NO_PARAMS');
      // We register the calls ourselves: what the widget fetched as well would stand in the CRM twice.
      const rows = widget.stock!.givesCalls ? await listEnded(span.data) : [];
      return reply.type('application/json').send({ status: 'ok', data: rows.map(describeRow) });
    }
    return answer('error', 'UNKNOWN_ACTION');
  });

  async function listEnded({ date_from, date_to }: z.output<typeof stockSpan>): Promise<readonly ConversationRow[]> {
    const span = { from: new Date(date_from * 1_000), to: new Date(date_to * 1_000 + 1_000) };
    const page = { sort: 'requestedAt', order: 'asc', limit: mostRows, after: null } as const;
    const { items } = await parts.ledger.listConversations({ ...page, ...span, isRegistered: true });
    return items.filter(({ conversation }) => conversation.endedAt !== null);
  }
}

const escapeForScript = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** The phones of a call that ring now, as the widget knows ringing channels. */
function describeRinging(call: Call): object[] {
  if (call.client === null || call.direction !== 'inbound') return [];
  return call.conversations
    .filter((one) => one.extension !== null && one.answeredAt === null && one.endedAt === null)
    .map((one) => ({
      channel: one.channel,
      channelstatedesc: 'Ringing',
      calleridnum: one.extension,
      connectedlinenum: call.client,
      connectedlinename: call.clientName ?? '',
      uniqueid: one.uniqueId,
    }));
}

function describeRow({ call, conversation }: ConversationRow): object {
  const phones = [conversation.extension ?? call.did ?? '', call.client ?? ''];
  const [dst, src] = call.direction === 'outbound' ? [phones[1], phones[0]] : phones;
  return {
    calldate: conversation.requestedAt.toISOString().slice(0, 19).replace('T', ' '),
    src,
    dst,
    duration: conversation.duration + conversation.waiting,
    billsec: conversation.duration,
    uniqueid: conversation.uniqueId,
    recordingfile: '',
  };
}
