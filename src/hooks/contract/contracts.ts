import type { HookName } from '../../core/hooks.ts';
import { callHooks } from './call-hooks.ts';
import { entityHooks } from './entity-hooks.ts';
import type { HookContract } from './hook-contract.ts';
import { telephonyHooks } from './telephony-hooks.ts';

/** All 13, in the order in which integrators know them. */
export const contracts: { readonly [Name in HookName]: HookContract<Name> } = {
  need_registration: callHooks.need_registration,
  process_call_params: callHooks.process_call_params,
  process_client_phone: callHooks.process_client_phone,
  process_contact_creation_params: entityHooks.process_contact_creation_params,
  process_lead_creation_params: entityHooks.process_lead_creation_params,
  process_originate_params: telephonyHooks.process_originate_params,
  process_record_file_path: callHooks.process_record_file_path,
  process_task_creation_params: entityHooks.process_task_creation_params,
  customize_autodistribution: telephonyHooks.customize_autodistribution,
  post_registration: callHooks.post_registration,
  process_contact_update_params: entityHooks.process_contact_update_params,
  process_lead_update_params: entityHooks.process_lead_update_params,
  process_unsorted_creation_params: entityHooks.process_unsorted_creation_params,
};
