/**
 * The 13 places where an integrator's code may look at, change or stop what is about to happen. The list is closed.
 *
 * Whoever calls a hook may rely on this: it always answers, within its deadline, and with something usable. When an
 * integrator's hook hangs, crashes or answers garbage, the runner gives the core's own behaviour instead, which is
 * `coreBehaviour` below: everything passes as it came.
 */
import type { Call, CallStage, Conversation } from './call.ts';
import type {
  Contact,
  ConversationRegistration,
  NewContact,
  NewIncomingLead,
  NewLead,
  NewTask,
  OriginateRequest,
} from './ports.ts';

/** Fields that a hook added and only the CRM's adapter understands travel along with what is created. */
export type WithExtras<T> = T & Readonly<Record<string, unknown>>;

/** The call that a hook is about: read only, never taken back. */
export interface HookCall {
  readonly call: Call;
  /** Null where no employee's part is meant, e.g. with `call_ended`. */
  readonly conversation: Conversation | null;
  /** The client as the CRM knows him; null: looked for and not found. */
  readonly client?:
    | (Pick<Contact, 'company' | 'responsibleId'> & {
        readonly id: string | null;
        readonly name: string | null;
      })
    | null;
  /** The lead that the call belongs to, once it is known. */
  readonly leadId?: string | null;
}

/** What will be registered of a conversation, in the words an integrator may change. */
export interface CallParams {
  readonly phone: string | null;
  readonly result: Conversation['result'];
  readonly direction: Call['direction'];
  readonly startedAt: Date;
  /** Talk time in whole seconds. */
  readonly duration: number;
  /** Where the recording is heard; null while there is none. */
  readonly link: string | null;
  readonly userId: string | null;
  readonly responsibleId: string | null;
}

/** The answer to the dialplan's question. `from`, `trunk`, `entity`, `error` and `requestData` are read only. */
export interface AutodistributionInput {
  /** The extension found; empty when nobody. */
  readonly number: string;
  /** The caller's name, at most 20 characters. */
  readonly name: string;
  readonly requestData: Readonly<Record<string, string>>;
  readonly from?: string;
  readonly trunk?: string;
  readonly entity?: Contact;
  readonly error?: string;
  /** Of the channel that asks; for the record of runs alone. */
  readonly linkedId?: string;
}

export interface Hooks {
  /**
   * May the call be sent to the CRM? With `conversation_requested` a no shows no card; with `conversation_ended` and
   * `call_ended` it leaves the conversation in the ledger only.
   */
  need_registration(input: HookCall & { readonly stage: CallStage }): Promise<boolean>;
  /** Changes what is registered. Runs last before the registration, with the number from `process_client_phone`. */
  process_call_params(input: HookCall & { readonly params: CallParams }): Promise<WithExtras<CallParams>>;
  /** The client's number as the CRM should see and be asked for it. */
  process_client_phone(input: HookCall & { readonly stage: CallStage; readonly phone: string }): Promise<string>;
  process_contact_creation_params(input: HookCall & { readonly contact: NewContact }): Promise<WithExtras<NewContact>>;
  process_lead_creation_params(input: HookCall & { readonly lead: NewLead }): Promise<WithExtras<NewLead>>;
  /** Click-to-call, before the employee's phone is rung. `requestData` is what the CRM sent; read only. */
  process_originate_params(input: {
    readonly request: OriginateRequest;
    readonly requestData: Readonly<Record<string, unknown>>;
  }): Promise<OriginateRequest>;
  /** The file that is converted and served in place of the one that the PBX wrote. */
  process_record_file_path(input: HookCall & { readonly path: string }): Promise<string>;
  process_task_creation_params(input: HookCall & { readonly task: NewTask }): Promise<WithExtras<NewTask>>;
  customize_autodistribution(input: AutodistributionInput): Promise<{ readonly number: string; readonly name: string }>;
  /** After the conversation stands in the CRM. The answer does not matter. */
  post_registration(
    input: HookCall & { readonly registration: ConversationRegistration; readonly crmId: string },
  ): Promise<void>;
  /** About a contact that stood in the CRM before; the core itself changes nothing of it. */
  process_contact_update_params(
    input: HookCall & { readonly id: string; readonly change: Partial<NewContact> },
  ): Promise<WithExtras<Partial<NewContact>>>;
  /** About the open lead that the call belongs to; the core itself changes nothing of it. */
  process_lead_update_params(
    input: HookCall & { readonly id: string; readonly change: Partial<NewLead> },
  ): Promise<WithExtras<Partial<NewLead>>>;
  process_unsorted_creation_params(
    input: HookCall & { readonly incomingLead: NewIncomingLead },
  ): Promise<WithExtras<NewIncomingLead>>;
}

export type HookName = keyof Hooks;

/** What happens where no hook is installed: all is registered, nothing is changed. */
export const coreBehaviour: Hooks = {
  need_registration: async () => true,
  process_call_params: async ({ params }) => ({ ...params }),
  process_client_phone: async ({ phone }) => phone,
  process_contact_creation_params: async ({ contact }) => ({ ...contact }),
  process_lead_creation_params: async ({ lead }) => ({ ...lead }),
  process_originate_params: async ({ request }) => request,
  process_record_file_path: async ({ path }) => path,
  process_task_creation_params: async ({ task }) => ({ ...task }),
  customize_autodistribution: async ({ number, name }) => ({ number, name }),
  post_registration: async () => undefined,
  process_contact_update_params: async ({ change }) => ({ ...change }),
  process_lead_update_params: async ({ change }) => ({ ...change }),
  process_unsorted_creation_params: async ({ incomingLead }) => ({ ...incomingLead }),
};

/** The closed list, for configuration, loading and status. */
export const hookNames = Object.keys(coreBehaviour) as readonly HookName[];
