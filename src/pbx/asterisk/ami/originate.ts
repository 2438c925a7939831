import { Rejected } from '../../../core/errors.ts';
import type { OriginateRequest } from '../../../core/ports.ts';
import type { AmiHeader } from './ami-message.ts';

/** Contexts of the generated dialplan: one rings employees only, the other dials the client as that employee. */
const employeeContext = 'ringledger-click-to-call';
const clientContext = 'ringledger-click-to-call-client';

const extensionForm = /^[0-9]{1,10}$/;
const numberForm = /^\+?[0-9]{2,15}$/;
const contextForm = /^[A-Za-z0-9_-]{1,79}$/;
const requestIdForm = /^[A-Za-z0-9_-]{1,64}$/;
/** Everything that means something in a caller id, an AMI header, a dialplan expression or a list of arguments. */
const unsafeInName = /[\p{C}"\\<>$`{}[\];,|&]+/gu;
const maxNameCharacters = 40;

/**
 * The only originate that is ever sent: an employee's extension through a fixed context, then the client's number through another.
 * Rejects with `Rejected` when any part is not exactly what it must be. AMI's right to originate amounts to running
 * programs on the PBX, so nothing else of the action comes from outside.
 */
export function originateAction(request: OriginateRequest): AmiHeader[] {
  const { extension, clientNumber, requestId, timeoutMs, context = clientContext } = request;
  if (!extensionForm.test(extension)) throw new Rejected(`Not an extension: ${JSON.stringify(extension)}`);
  if (!numberForm.test(clientNumber)) throw new Rejected(`Not a telephone number: ${JSON.stringify(clientNumber)}`);
  if (!contextForm.test(context)) throw new Rejected(`Not the name of a context: ${JSON.stringify(context)}`);
  if (!requestIdForm.test(requestId)) throw new Rejected(`Not the id of a request: ${JSON.stringify(requestId)}`);
  if (!Number.isFinite(timeoutMs) || timeoutMs < 1_000 || timeoutMs > 300_000)
    throw new Rejected(`A phone may ring for 1 to 300 seconds, not ${timeoutMs} ms`);
  const name = [...(request.clientName ?? '').replace(unsafeInName, ' ').trim()]
    .slice(0, maxNameCharacters)
    .join('')
    .trim();
  return [
    ['Action', 'Originate'],
    ['Channel', `Local/${extension}@${employeeContext}/n`],
    ['Context', context],
    ['Exten', clientNumber],
    ['Priority', '1'],
    ['CallerID', `"${name || clientNumber}" <${clientNumber}>`],
    ['Variable', `__RL_REQUEST_ID=${requestId}`],
    ['Async', 'true'],
    ['Timeout', String(Math.round(timeoutMs))],
  ];
}
