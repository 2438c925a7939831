import { isIPv6 } from 'node:net';
import { localTokenFile, type LoadedConfig } from '../config.ts';
import { readLocalToken } from '../web/local-token.ts';
import { exitCodes, UserFault, type CliContext } from './context.ts';

/** Talks to the running service on this machine through its API, so that there is one writer and one set of rules. */
export interface ServiceClient {
  readonly url: string;
  get<Answer>(path: string, query?: Query): Promise<Answer>;
  /** Also for answers that are no success (`/status` is 503 when a part is in error). */
  getAny<Answer>(path: string): Promise<Answer>;
  send<Answer>(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Answer>;
  /** A whole file; the service may take minutes over it. */
  sendFile<Answer>(path: string, file: { readonly bytes: Uint8Array; readonly type: string }): Promise<Answer>;
  /** All pages of a list, row by row. */
  list<Row>(path: string, query?: Query): AsyncGenerator<Row>;
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

const deadlineMs = 30_000;
const fileDeadlineMs = 600_000;

/** What was asked for cannot be meant. */
const wrongUsage: ReadonlySet<number> = new Set([400, 422]);

/** An answer of the service that says no. */
export class ServiceFault extends UserFault {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message, wrongUsage.has(status) ? exitCodes.usage : exitCodes.failed);
    this.status = status;
  }
}

export function createServiceClient(context: CliContext): ServiceClient {
  const loaded = context.loadConfig();
  const { host, port } = loaded.config.http;
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const url = `http://${isIPv6(reachable) ? `[${reachable}]` : reachable}:${port}`;
  // Read when first needed: `status` works without.
  const authorization = () => `Bearer ${tokenOf(loaded)}`;

  async function request(
    method: string,
    path: string,
    content: { readonly body: string | Uint8Array; readonly type: string } | null = null,
    withinMs = deadlineMs,
  ): Promise<Response> {
    const headers: Record<string, string> = { authorization: authorization() };
    if (content !== null) headers['content-type'] = content.type;
    try {
      return await fetch(url + path, {
        method,
        headers,
        redirect: 'error',
        signal: AbortSignal.timeout(withinMs),
        ...(content === null ? {} : { body: content.body }),
      });
    } catch (error) {
      throw unreachable(url, error as Error);
    }
  }

  const client: ServiceClient = {
    url,
    async get(path, query = {}) {
      return successOf(await request('GET', path + toSearch(query)));
    },
    async getAny(path) {
      const response = await request('GET', path);
      return response.status < 500 ? successOf(response) : readJson(response);
    },
    async send(method, path, body) {
      const content = body === undefined ? null : { body: JSON.stringify(body), type: 'application/json' };
      return successOf(await request(method, path, content));
    },
    async sendFile(path, { bytes, type }) {
      return successOf(await request('POST', path, { body: bytes, type }, fileDeadlineMs));
    },
    async *list(path, query = {}) {
      let after: string | undefined;
      do {
        const page = await client.get<{ items: never[]; nextCursor: string | null }>(path, { ...query, after });
        yield* page.items;
        after = page.nextCursor ?? undefined;
      } while (after !== undefined);
    },
  };
  return client;
}

function tokenOf({ config, file }: LoadedConfig): string {
  const tokenFile = localTokenFile(config);
  try {
    return readLocalToken(tokenFile);
  } catch (error) {
    const configured = config.http.tokens.find(({ access }) => access === 'full') ?? config.http.tokens[0];
    if (configured !== undefined) return configured.token;
    const isForbidden = (error as NodeJS.ErrnoException).code === 'EACCES';
    const reason = isForbidden
      ? `The token file ${tokenFile} may not be read by this user; run the command as root or as the service's user.`
      : `There is no token file ${tokenFile}. The service makes it at its first start; ${
          file === null
            ? 'no configuration file was found, so name the one the service uses with --config.'
            : `is it running with ${file}?`
        }`;
    throw new UserFault(reason, exitCodes.unreachable);
  }
}

function unreachable(url: string, error: Error): UserFault {
  const code = (error.cause as { code?: string } | undefined)?.code;
  const reason =
    error.name === 'TimeoutError'
      ? `did not answer within ${deadlineMs / 1000} s`
      : `does not answer (${code ?? error.message})`;
  return new UserFault(
    `The service at ${url} ${reason}. Is it running? systemctl status ringledger`,
    exitCodes.unreachable,
  );
}

async function successOf<Answer>(response: Response): Promise<Answer> {
  if (response.status === 204) return undefined as Answer;
  const answer = await readJson<Answer & { error?: { message?: string } }>(response);
  if (response.ok) return answer;
  throw new ServiceFault(response.status, answer.error?.message ?? `The service answered ${response.status}.`);
}

async function readJson<Answer>(response: Response): Promise<Answer> {
  try {
    return (await response.json()) as Answer;
  } catch {
    throw new UserFault(
      `${response.url} did not answer as Ringledger does; does another program listen there?`,
      exitCodes.unreachable,
    );
  }
}

function toSearch(query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? '' : `?${search.toString()}`;
}
