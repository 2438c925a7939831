/**
 * The channel variables that the FastAGI handlers set and the generated dialplan reads, and the marks that the dialplan
 * leaves on channels for the call machine. The only place where their names are written down.
 */

/** Set by the `distribute` and `caller-name` scripts. */
export const answerVariables = {
  /** FOUND, NOT_FOUND, TIMEOUT or ERROR; empty means that the server was never reached. */
  status: 'RL_STATUS',
  /** The extension that should get the call; only with FOUND. */
  extension: 'RL_EXTENSION',
  /** Further extensions to try in this order, joined by `-` (`102-103`), at most 5. */
  deputies: 'RL_DEPUTIES',
  /** The name for the phone's display, already cut and made harmless; may be set with any status. */
  name: 'RL_NAME',
  /** The contact's id in the CRM that knew the caller. */
  contactId: 'RL_CONTACT_ID',
} as const;

/** Left on channels by the generated dialplan, reported by AMI VarSet, understood by the call machine. */
export const markVariables = {
  /** The id of the click-to-call request that caused the channel (inherited: set with two underscores). */
  requestId: 'RL_REQUEST_ID',
  /** The employee on whose behalf an outside number is dialled (forwarding, outbound marking). */
  employee: 'RL_EMPLOYEE',
  /** The number or trunk that was called from outside. */
  did: 'RL_DID',
  /** The recording of this channel: the file MixMonitor writes. */
  recording: 'RL_RECORDING',
} as const;

/** FastAGI arguments of both scripts, in this order; any further ones are handed to the hook as `request_data`. */
export const agiArguments = ['callerNumber', 'did', 'trunk'] as const;
