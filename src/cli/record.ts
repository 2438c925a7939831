import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { InvalidArgumentError } from 'commander';
import { defaultLinkDeadlines } from '../pbx/asterisk/ami/ami-link.ts';
import { NumberMask, recordCapture } from '../pbx/asterisk/record.ts';
import { exitCodes, UserFault, type AddCommand, type CliContext } from './context.ts';

export interface RecordCommandParts {
  /** Emits SIGTERM and SIGINT, which end the recording. */
  readonly signals: Pick<NodeJS.EventEmitter, 'once' | 'off'>;
}

interface Options {
  pbx?: string;
  mask?: boolean;
  keep?: string[];
  seconds?: number;
}

function positiveSeconds(text: string): number {
  const value = Number(text);
  if (!(value > 0) || value > 86_400) throw new InvalidArgumentError('must be a number from 1 to 86400.');
  return value;
}

/** `record FILE`: keeps the AMI stream as Asterisk sends it, for `replay` and for reports of faults. */
export function createRecordCommand({ signals }: RecordCommandParts): AddCommand {
  return (program, context) => {
    program
      .command('record')
      .description('keep the AMI stream in a file until interrupted, for replay and for reports of faults')
      .argument('<file>', 'made anew; one that exists is not overwritten')
      .option('--pbx <name>', 'which phone system, when there are several')
      .option('--mask', 'replace the last six digits of telephone numbers, the same number always by the same')
      .option('--keep <numbers...>', 'numbers that are not masked, such as your own')
      .option('--seconds <count>', 'stop after this time', positiveSeconds)
      .action(async (file: string, { pbx: name, mask, keep = [], seconds }: Options) => {
        const { host, port, events } = chooseAmi(context, name);
        const stopping = new AbortController();
        const stop = () => stopping.abort();
        const timer = seconds === undefined ? undefined : setTimeout(stop, seconds * 1000);
        signals.once('SIGINT', stop);
        signals.once('SIGTERM', stop);
        const output = createWriteStream(file, { flags: 'wx', mode: 0o600 });
        const written = finished(output);
        // A full disk is told below; until then it only ends the recording.
        written.catch(stop);
        let reason: string;
        try {
          context.stderr.write(`Recording ${host}:${port} into ${file}; interrupt to stop.\n`);
          reason = await recordCapture({
            address: { host, port, ...events },
            deadlines: defaultLinkDeadlines,
            output,
            mask: mask === true ? new NumberMask({ keep }) : null,
            signal: stopping.signal,
          });
        } catch (error) {
          // What could not be opened or written is the better reason.
          output.destroy();
          await written.catch((fault: NodeJS.ErrnoException) => {
            if (fault.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw fileFault(file, fault);
          });
          throw new UserFault(`Nothing was recorded: ${(error as Error).message}`);
        } finally {
          clearTimeout(timer);
          signals.off('SIGINT', stop);
          signals.off('SIGTERM', stop);
        }
        output.end();
        await written.catch((fault: NodeJS.ErrnoException) => {
          throw fileFault(file, fault);
        });
        if (!stopping.signal.aborted) throw new UserFault(`The recording ended: ${reason}`);
        context.print(`${output.bytesWritten} bytes in ${file}`);
      });
  };
}

function fileFault(file: string, fault: NodeJS.ErrnoException): UserFault {
  const reason =
    fault.code === 'EEXIST' ? 'exists already; name another or remove it' : `cannot be written: ${fault.message}`;
  return new UserFault(`${file} ${reason}`, exitCodes.usage);
}

function chooseAmi(context: CliContext, name: string | undefined) {
  const { pbx } = context.loadConfig().config;
  const names = pbx.map((entry) => entry.name).join(', ') || 'none';
  if (name === undefined && pbx.length > 1) throw new UserFault(`Choose one with --pbx: ${names}`, exitCodes.usage);
  const chosen = name === undefined ? pbx[0] : pbx.find((entry) => entry.name === name);
  if (chosen === undefined)
    throw new UserFault(`There is no such phone system under pbx; configured: ${names}`, exitCodes.usage);
  if (chosen.ami === null)
    throw new UserFault(
      `${chosen.name} has no AMI: its calls come from files, which replay reads as they are.`,
      exitCodes.usage,
    );
  return chosen.ami;
}
