import { Rejected } from '../../core/errors.ts';
import type { Clock, CrmUser } from '../../core/ports.ts';
import type { Urgency } from './access/pace.ts';
import { Refused, type KommoApi } from './api.ts';
import type { KommoConfig } from './config.ts';
import { accountSchema, customFieldSchema, pipelineSchema, userSchema } from './mapping.ts';

const usersFreshMs = 60_000;
const settingsFreshMs = 600_000;

/** The field of a contact in which we write numbers. */
export interface PhoneField {
  readonly id: number;
  readonly hasWork: boolean;
}
export interface Pipeline {
  readonly id: number;
  readonly name: string;
  readonly isMain: boolean;
  readonly isUnsortedOn: boolean;
}

/** What the account is made of, as last read; read anew when it may have changed. */
export class KommoAccount {
  readonly #api: KommoApi;
  readonly #settings: KommoConfig;
  readonly #users: Fresh<readonly CrmUser[]>;
  readonly #phoneField: Fresh<PhoneField | null>;
  readonly #pipelines: Fresh<readonly Pipeline[]>;

  constructor(parts: { readonly api: KommoApi; readonly settings: KommoConfig; readonly clock: Clock }) {
    this.#api = parts.api;
    this.#settings = parts.settings;
    this.#users = new Fresh(usersFreshMs, parts.clock, (urgency) => this.#readUsers(urgency));
    this.#phoneField = new Fresh(settingsFreshMs, parts.clock, (urgency) => this.#readPhoneField(urgency));
    this.#pipelines = new Fresh(settingsFreshMs, parts.clock, (urgency) => this.#readPipelines(urgency));
  }

  users = (urgency: Urgency) => this.#users.get(urgency);
  /** Null: contacts of this account have no field with the code PHONE. */
  phoneField = (urgency: Urgency) => this.#phoneField.get(urgency);
  pipelines = (urgency: Urgency) => this.#pipelines.get(urgency);

  /** As last read. */
  get phoneFieldId(): number | null {
    return this.#phoneField.last?.id ?? null;
  }

  /** False only where it is known that numbers cannot be written into contacts. */
  get canKeepNumbers(): boolean {
    const field = this.#phoneField.last;
    return field === undefined || (field !== null && field.hasWork);
  }
  /** False only where it is known that no pipeline takes unsorted requests. */
  get takesRequests(): boolean {
    return this.#pipelines.last?.some((pipeline) => pipeline.isUnsortedOn) ?? true;
  }

  async readName(urgency: Urgency): Promise<string> {
    const account = await this.#api.get('/api/v4/account', accountSchema, { urgency });
    return account?.name ?? '';
  }

  async #readUsers(urgency: Urgency): Promise<CrmUser[]> {
    const extensions = Object.entries(this.#settings.extensions);
    const users: CrmUser[] = [];
    const list = { key: 'users', item: userSchema };
    for await (const page of this.#pagesForAdministrators(list, urgency)) {
      for (const { id, name, email, rights } of page) {
        const isOwner = (owner: string) => owner === String(id) || owner.toLowerCase() === email?.toLowerCase();
        users.push({
          id: String(id),
          name: name || email || String(id),
          email: email || null,
          extensions: extensions.filter(([, owner]) => isOwner(owner)).map(([extension]) => extension),
          isActive: rights?.is_active ?? true,
        });
      }
    }
    return users;
  }

  /** Only administrators are shown the list; others get an empty one. */
  async *#pagesForAdministrators(list: { key: string; item: typeof userSchema }, urgency: Urgency) {
    try {
      yield* this.#api.pages('/api/v4/users', list, { urgency });
    } catch (error) {
      if (!(error instanceof Refused && error.status === 403)) throw error;
    }
  }

  async #readPhoneField(urgency: Urgency): Promise<PhoneField | null> {
    const list = { key: 'custom_fields', item: customFieldSchema };
    for await (const page of this.#api.pages('/api/v4/contacts/custom_fields', list, { urgency })) {
      const field = page.find(({ code }) => code === 'PHONE');
      if (field === undefined) continue;
      const isWork = (word: string | null | undefined) => word?.toUpperCase() === 'WORK';
      const hasWork =
        field.enums?.some((one) => isWork(one.value) || isWork(one.enum_code) || isWork(one.code)) ?? true;
      return { id: field.id, hasWork };
    }
    return null;
  }

  async #readPipelines(urgency: Urgency): Promise<Pipeline[]> {
    const pipelines: Pipeline[] = [];
    const list = { key: 'pipelines', item: pipelineSchema };
    for await (const page of this.#api.pages('/api/v4/leads/pipelines', list, { urgency })) {
      for (const { id, name, is_main, is_archive, is_unsorted_on } of page) {
        if (is_archive === true) continue;
        pipelines.push({ id, name: name ?? '', isMain: is_main === true, isUnsortedOn: is_unsorted_on !== false });
      }
    }
    return pipelines;
  }
}

/** A value that is asked for again once it is older than this; asked once for all who want it meanwhile. */
class Fresh<Value> {
  readonly #freshMs: number;
  readonly #clock: Clock;
  readonly #read: (urgency: Urgency) => Promise<Value>;
  #value: { readonly value: Value; readonly atMs: number } | null = null;
  #reading: Promise<Value> | null = null;

  constructor(freshMs: number, clock: Clock, read: (urgency: Urgency) => Promise<Value>) {
    this.#freshMs = freshMs;
    this.#clock = clock;
    this.#read = read;
  }

  get last(): Value | undefined {
    return this.#value?.value;
  }

  async get(urgency: Urgency): Promise<Value> {
    if (this.#value !== null && this.#clock.now().getTime() - this.#value.atMs < this.#freshMs)
      return this.#value.value;
    this.#reading ??= this.#read(urgency)
      .then((value) => {
        this.#value = { value, atMs: this.#clock.now().getTime() };
        return value;
      })
      .finally(() => {
        this.#reading = null;
      });
    try {
      return await this.#reading;
    } catch (error) {
      // Who may not look at the settings can still work with what is there.
      if (error instanceof Rejected && this.#value !== null) return this.#value.value;
      throw error;
    }
  }
}
