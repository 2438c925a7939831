import type { Call } from '../../src/core/call.ts';
import type { ClickBook, ClickRequest } from '../../src/core/click-to-call/click-book.ts';

const hourMs = 3_600_000;

/** Requests by clicks in memory; `tell` is what the ledger learns of their calls. */
export class MemoryClickBook implements ClickBook {
  #requests: ClickRequest[] = [];
  readonly #calls = new Map<string, Call>();

  tell(call: Call): void {
    this.#calls.set(call.linkedId + call.conversations[0]!.requestId, call);
  }

  async enter(request: ClickRequest, judge: Parameters<ClickBook['enter']>[1]): Promise<void> {
    const ageMs = ({ requestedAt }: ClickRequest) => request.requestedAt.getTime() - requestedAt.getTime();
    this.#requests = this.#requests.filter((one) => ageMs(one) <= 24 * hourMs);
    judge({
      ofHour: this.#requests.filter((one) => ageMs(one) < hourMs),
      ofExtension: this.#requests.filter(({ extension }) => extension === request.extension).map(this.#follow),
    });
    this.#requests.unshift(request);
  }

  async change(requestId: string, change: Parameters<ClickBook['change']>[1]): Promise<void> {
    this.#requests = this.#requests.map((one) => (one.requestId === requestId ? { ...one, ...change } : one));
  }

  async find(requestId: string) {
    return (await this.list()).find((one) => one.requestId === requestId) ?? null;
  }

  async list() {
    return this.#requests.map(this.#follow);
  }

  readonly #follow = (request: ClickRequest) => ({
    ...request,
    calls: [...this.#calls.values()].filter(({ conversations }) =>
      conversations.some(({ requestId }) => requestId === request.requestId),
    ),
  });
}
