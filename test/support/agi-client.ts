import { connect, type Socket } from 'node:net';

/** A command as Asterisk's `parse_args` (res_agi.c) takes it apart. */
export function parseAgiCommand(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let isQuoted = false;
  let isInWord = false;
  for (let index = 0; index < line.length; index += 1) {
    const sign = line[index]!;
    if (sign === '"') {
      isQuoted = !isQuoted;
      isInWord = true;
    } else if ((sign === ' ' || sign === '\t') && !isQuoted) {
      if (isInWord) words.push(word);
      word = '';
      isInWord = false;
    } else {
      word += sign === '\\' ? (line[(index += 1)] ?? '') : sign;
      isInWord = true;
    }
  }
  if (isInWord) words.push(word);
  return words;
}

export interface AgiCall {
  readonly port: number;
  /** With query, as it would stand in the URL. */
  readonly script: string;
  readonly args?: readonly string[];
  /** Lines of the head besides the usual ones, or in their place. */
  readonly head?: Readonly<Record<string, string>>;
  /** What GET VARIABLE finds. */
  readonly variables?: Readonly<Record<string, string>>;
  /**
   * What is sent for a command in place of Asterisk's usual answer, as raw bytes; null: nothing at all. `socket` allows
   * for hanging up.
   */
  readonly reply?: (line: string, index: number, socket: Socket) => string | Buffer | null | undefined;
  /** How the head is cut into segments; the whole in one when absent. */
  readonly segments?: (head: string) => readonly string[];
}

export interface AgiOutcome {
  /** The lines as they came over the wire. */
  readonly lines: readonly string[];
  readonly commands: readonly (readonly string[])[];
  /** What SET VARIABLE left on the channel. */
  readonly variables: Readonly<Record<string, string>>;
  /** From connecting to the end of the connection. */
  readonly tookMs: number;
}

export function agiHead({ port, script, args = [], head = {} }: AgiCall): string {
  const lines = {
    agi_network: 'yes',
    agi_network_script: script,
    agi_request: `agi://127.0.0.1:${port}/${script}`,
    agi_channel: 'PJSIP/provider-00000001',
    agi_language: 'en',
    agi_type: 'PJSIP',
    agi_uniqueid: '1795246371.2',
    agi_version: '22.10.0',
    agi_callerid: 'unknown',
    agi_calleridname: 'unknown',
    agi_callingpres: '0',
    agi_callingani2: '0',
    agi_callington: '0',
    agi_callingtns: '0',
    agi_dnid: '7000001',
    agi_rdnis: 'unknown',
    agi_context: 'from-trunk',
    agi_extension: '7000001',
    agi_priority: '3',
    agi_enhanced: '0.0',
    agi_accountcode: '',
    agi_threadid: '140184377153216',
    ...Object.fromEntries(args.map((arg, index) => [`agi_arg_${index + 1}`, arg])),
    ...head,
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')
    .concat('\n');
}

/** Plays Asterisk for one FastAGI session; resolves when the connection is over, whoever ended it. */
export function askAgi(call: AgiCall): Promise<AgiOutcome> {
  const startedAt = performance.now();
  const lines: string[] = [];
  const variables: Record<string, string> = Object.create(null) as Record<string, string>;
  return new Promise((resolve, reject) => {
    const socket = connect(call.port, '127.0.0.1');
    let rest = '';
    let hasConnected = false;
    const usualAnswer = (line: string) => {
      const [verb, what, name = '', value = ''] = parseAgiCommand(line);
      if (what !== 'VARIABLE') return '510 Invalid or unknown command\n';
      if (verb === 'SET') {
        variables[name] = value;
        return '200 result=1\n';
      }
      const found = call.variables?.[name];
      return found === undefined ? '200 result=0\n' : `200 result=1 (${found})\n`;
    };
    socket.setEncoding('utf8');
    socket.on('connect', () => {
      hasConnected = true;
      const head = agiHead(call);
      for (const segment of call.segments?.(head) ?? [head]) socket.write(segment);
    });
    socket.on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop()!;
      for (const line of parts) {
        lines.push(line);
        const special = call.reply?.(line, lines.length - 1, socket);
        if (special === null || socket.destroyed || socket.writableEnded) continue;
        socket.write(special ?? usualAnswer(line));
      }
    });
    socket.on('error', (error) => {
      if (!hasConnected) reject(error);
    });
    socket.on('close', () => {
      if (rest !== '') lines.push(rest);
      resolve({
        lines,
        commands: lines.map(parseAgiCommand),
        variables,
        tookMs: performance.now() - startedAt,
      });
    });
  });
}
