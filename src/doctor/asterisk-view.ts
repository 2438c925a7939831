import type { AsteriskConf } from './asterisk-conf.ts';

/** What the doctor asks of one Asterisk. Everything may fail; a failure is a finding, never the end of the visit. */
export interface AsteriskView {
  /** What `asterisk -rx <text>` prints. */
  command(text: string): Promise<string>;
  /** A dialplan variable or function outside of any channel, e.g. `STRFTIME(,,%s %z)`. */
  variable(name: string): Promise<string>;
  /** A file of Asterisk's configuration folder, includes resolved; null: there is none. Rejects when it may not be read. */
  conf(name: string): Promise<AsteriskConf | null>;
}

/** `Name:   value` lines of a CLI answer; the last one of a name wins. */
export function readFields(output: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of output.split('\n')) {
    const match = /^\s*([^:]+?)\s*:\s*(.*?)\s*$/.exec(line);
    if (match !== null) fields.set(match[1]!.toLowerCase(), match[2]!);
  }
  return fields;
}

/** All values of a repeated field (`CEL Tracking Event: …`). */
export function readRepeated(output: string, name: string): string[] {
  return output.split('\n').flatMap((line) => {
    const [key, ...rest] = line.split(':');
    return key?.trim().toLowerCase() === name.toLowerCase() && rest.length > 0 ? [rest.join(':').trim()] : [];
  });
}

export const isYes = (value: string | undefined) => /^(?:yes|true|y|t|1|on|enabled)$/i.test(value ?? '');
