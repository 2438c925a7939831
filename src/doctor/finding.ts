/** `unknown`: it could not be looked at, and `mend` says what would let us. */
export type FindingState = 'ok' | 'warning' | 'error' | 'unknown';

/** One thing that the doctor looked at. */
export interface Finding {
  /** What was looked at, in a few words: `office: CEL`. */
  readonly check: string;
  readonly state: FindingState;
  readonly message: string;
  /** What to do about it, in one or two sentences; null when there is nothing to do. */
  readonly mend: string | null;
}

/** Makes the findings of one check. */
export class Findings {
  readonly list: Finding[] = [];
  readonly #check: string;
  constructor(check: string) {
    this.#check = check;
  }
  ok(message: string): void {
    this.#add('ok', message, null);
  }
  warning(message: string, mend: string): void {
    this.#add('warning', message, mend);
  }
  error(message: string, mend: string): void {
    this.#add('error', message, mend);
  }
  unknown(message: string, mend: string): void {
    this.#add('unknown', message, mend);
  }
  get isClean(): boolean {
    return this.list.every(({ state }) => state === 'ok');
  }
  #add(state: FindingState, message: string, mend: string | null): void {
    this.list.push({ check: this.#check, state, message, mend });
  }
}
