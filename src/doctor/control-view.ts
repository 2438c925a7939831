import { existsSync } from 'node:fs';
import type { AmiMessage } from '../pbx/asterisk/ami/ami-message.ts';
import type { AmiHeader } from '../pbx/asterisk/ami/ami-message.ts';
import { readAsteriskConf, type AsteriskConf, type ConfLine } from './asterisk-conf.ts';
import { readFields, type AsteriskView } from './asterisk-view.ts';

/** What the view needs of an AMI session; the control session has it. */
export interface AskedSession {
  command(text: string, timeoutMs?: number): Promise<readonly string[]>;
  variable(expression: string): Promise<string>;
  action(headers: readonly AmiHeader[]): Promise<{ readonly response: AmiMessage }>;
}

/**
 * Asterisk through AMI, and its configuration from the files where they are on this machine and may be read, else from
 * AMI's GetConfig, which needs the right `config`. `toLocalPath` says where Asterisk's paths are on this machine.
 */
export function createAsteriskView(
  session: AskedSession,
  toLocalPath: (path: string) => string = (path) => path,
): AsteriskView {
  const command = async (text: string) => (await session.command(text)).join('\n');
  return {
    command,
    variable: (name) => session.variable(name),
    async conf(name) {
      const stated = readFields(await command('core show settings')).get('configuration directory');
      const folder = toLocalPath(stated ?? '/etc/asterisk');
      try {
        if (existsSync(folder)) return readAsteriskConf(folder, name);
      } catch (error) {
        return getConfig(session, name).catch(() => {
          throw error;
        });
      }
      return getConfig(session, name);
    },
  };
}

async function getConfig(session: AskedSession, name: string): Promise<AsteriskConf> {
  const { response } = await session.action([
    ['Action', 'GetConfig'],
    ['Filename', name],
  ]);
  const sections = new Map<string, ConfLine[]>();
  const titles = new Map<string, string>();
  for (const [header, value] of response.entries()) {
    const category = /^Category-(\d+)$/i.exec(header);
    if (category !== null) {
      titles.set(category[1]!, value);
      if (!sections.has(value)) sections.set(value, []);
    }
    const line = /^Line-(\d+)-\d+$/i.exec(header);
    const setting = /^([^=]+)=(.*)$/s.exec(value);
    if (line === null || setting === null) continue;
    sections.get(titles.get(line[1]!) ?? '')?.push([setting[1]!, setting[2]!]);
  }
  return sections;
}
