/**
 * What the parties of the world do, as steps of dialplan. A script is what one party does in one call: from the first
 * ring when it is called, from the answer when it calls.
 */

/** One or more dialplan applications with their arguments. */
export type Step = readonly string[];
export type Script = readonly Step[];

const speak = ['ExecIf($["${VOICE}" = "speech"]?StartMusicOnHold():PlayTones(${VOICE}))'];

/** Lets the phone ring. Seconds, fractions allowed. */
export const ring = (seconds: number): Step => ['Ringing()', `Wait(${seconds})`];
/** Lets nothing be heard and stays as it is. */
export const wait = (seconds: number): Step => [`Wait(${seconds})`];
/** Takes the call and starts to be heard. */
export const answer = (): Step => ['Answer()', ...speak];
/** Goes on being heard. */
export const talk = (seconds: number): Step => [`Wait(${seconds})`];
/** Presses keys during the call. */
export const press = (keys: string): Step => [`SendDTMF(${keys},100,60)`];
/** Rings until the PBX gives up. */
export const neverAnswer = (): Step => ['Ringing()', 'Wait(60)'];
/** Ends or refuses the call with a Q.850 cause. */
export const hangUp = (cause = 16): Step => [`Hangup(${cause})`];
/** The line is taken: 486. */
export const busy = (): Step => hangUp(17);
/** The decline key: 403, cause 21. */
export const decline = (): Step => hangUp(21);
/** The network has no way through: 503. */
export const congested = (): Step => hangUp(34);
/** No such number: 404. */
export const noSuchNumber = (): Step => hangUp(1);
/** Stays in the call until the other side ends it. */
export const stay = (): Step => ['Wait(60)'];
/** Blind transfer by the phone's own key (REFER), or before the answer a redirection (302). */
export const transferTo = (uri: string): Step => [`Transfer(PJSIP/${uri})`];
/** The hold key, and again after so many seconds: the PBX plays its music to the other side meanwhile. */
export const hold = (seconds: number): Step => [
  'StopPlaytones()',
  `BridgeWait(\${UNIQUEID},participant,e(h)S(${seconds}))`,
  ...speak,
];
/** Any other step. */
export const step = (...applications: string[]): Step => applications;

/** Clients speak, employees are tones of their own, so that a recording tells who is heard. */
function voiceOf(party: string): string {
  return /^10\d$/.test(party) ? String(300 + 100 * Number(party.slice(2))) : 'speech';
}

/** The dialplan of one script; `extension` is where it stands in its context. */
export function renderScript(options: {
  readonly extension: string;
  readonly party: string;
  readonly script: Script;
  readonly isCalling: boolean;
}): string {
  const steps = [`Set(VOICE=${voiceOf(options.party)})`, ...(options.isCalling ? speak : []), ...options.script.flat()];
  return [
    `exten => ${options.extension},1,${steps[0]}`,
    ...[...steps.slice(1), 'Hangup()'].map((one) => ` same => n,${one}`),
    '',
  ].join('\n');
}
