/**
 * ffmpeg. The package only writes its command line: running it is done here, because the package signals the child alone
 * and politely, leaves what ffmpeg started running, and breaks the process when ffmpeg has gone away.
 *
 * ffmpeg is given no input file at all. It reads from a pipe, in a container that is named and not guessed, with a list of
 * coders that telephone systems use and no other protocol than that pipe.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { setPriority } from 'node:os';
import type { Readable } from 'node:stream';
import ffmpeg from 'fluent-ffmpeg';
import type { Transcoded, Transcoder, TranscoderInput } from '../core/ports.ts';
import { ConversionFailed } from '../core/recording.ts';
import { LoudnessMeter } from './loudness.ts';

export interface TranscoderSettings {
  /** Path or name of the program. */
  readonly program: string;
  /** Of one channel; stereo gets twice as much. */
  readonly kilobits: number;
  readonly sampleRate: 8000 | 16000;
  /** 0 to 19. */
  readonly niceness: number;
}

/** The samples that come back for measuring; enough for drawing and for the duration. */
const meterRate = 8000;
const decoders = [
  'pcm_u8',
  'pcm_s16le',
  'pcm_s24le',
  'pcm_s32le',
  'pcm_f32le',
  'pcm_f64le',
  'pcm_alaw',
  'pcm_mulaw',
  'adpcm_ima_wav',
  'gsm',
  'gsm_ms',
  'libgsm',
  'libgsm_ms',
  'g722',
  'adpcm_g722',
  'mp3float',
  'mp3',
  'vorbis',
  'libvorbis',
  'opus',
  'libopus',
].join(',');

/** What the package knows and its types do not tell. */
interface CommandLine {
  _getArguments(): string[];
}

/**
 * The arguments of one conversion: an mp3 file, and, where the input is not plain samples itself, such samples on the
 * standard output.
 */
export function conversionArguments(
  { kilobits, sampleRate }: TranscoderSettings,
  { input, output }: { readonly input: Omit<TranscoderInput, 'open'>; readonly output: string },
): string[] {
  const { container, channels, part } = input;
  const isPlain = input.plain !== null;
  const seconds = (ms: number) => (ms / 1000).toFixed(3);
  const cut = part === null ? [] : ['-ss', seconds(part.fromMs), '-to', seconds(part.toMs)];
  const plain = ['-map', '0:a:0', '-map_metadata', '-1', ...cut];
  // What is an mp3 already loses nothing.
  const isMade = container === 'mp3' && part === null;
  const coding = isMade
    ? ['-c:a', 'copy']
    : ['-c:a', 'libmp3lame', '-b:a', `${kilobits * channels}k`, '-ar', String(sampleRate), '-ac', String(channels)];
  const command = ffmpeg()
    .input('pipe:0')
    .inputOptions(['-protocol_whitelist', 'pipe', '-codec_whitelist', decoders, '-f', container])
    .output(`file:${output}`)
    .outputOptions([...plain, ...coding, '-write_xing', '1', '-f', 'mp3']);
  if (!isPlain) {
    command
      .output('pipe:1')
      .outputOptions([...plain, '-ar', String(meterRate), '-ac', String(channels), '-f', 's16le']);
  }
  const quiet = ['-hide_banner', '-nostats', '-loglevel', 'error', '-threads', '1', '-n'];
  return [...quiet, ...(command as unknown as CommandLine)._getArguments().filter((argument) => argument !== '-y')];
}

export function createTranscoder(settings: TranscoderSettings): Transcoder {
  return {
    async toMp3({ input, output, timeoutMs, signal }) {
      const child = spawn(settings.program, conversionArguments(settings, { input, output }), {
        stdio: ['pipe', 'pipe', 'pipe'],
        // A process group of its own, so that whatever the program starts ends with it.
        detached: true,
        windowsHide: true,
      });
      const source = input.open() as Readable;
      const meter = new LoudnessMeter({ rate: input.plain?.rate ?? meterRate, channels: input.channels });
      // A timer of our own: Node 20 may collect what AbortSignal.any makes of a timeout, and then it never comes.
      let isExpired = false;
      let giveUp: () => void = () => undefined;
      const givenUp = new Promise<never>((_resolve, reject) => {
        giveUp = () => reject(new Error('given up'));
      });
      const timer = setTimeout(() => {
        isExpired = true;
        giveUp();
      }, timeoutMs);
      signal.addEventListener('abort', giveUp, { once: true });
      if (signal.aborted) giveUp();
      try {
        const made = await Promise.race([ended(child, { ...settings, source, meter, plain: input.plain }), givenUp]);
        const wanted =
          input.container === 'mp3' && input.part === null ? 1 : leastBytes(settings, input, made.durationMs);
        const { size } = await stat(output);
        // ffmpeg keeps quiet about a disk that had no room for the last of it.
        if (size < wanted) throw new ConversionFailed('full', `${size} bytes were written where ${wanted} were due`);
        return made;
      } catch (error) {
        if (error instanceof ConversionFailed) throw error;
        if (signal.aborted) throw new ConversionFailed('failed', 'the service stops');
        if (!isExpired) throw new ConversionFailed('failed', `nothing was made: ${String(error)}`);
        throw new ConversionFailed('expired', `not converted within ${Math.round(timeoutMs / 1000)} s`);
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
        source.destroy();
        killGroup(child);
      }
    },
  };
}

/** Of an mp3 with a constant rate, allowing for the frame that may be missing at its end. */
function leastBytes({ kilobits }: TranscoderSettings, { channels }: TranscoderInput, durationMs: number): number {
  return Math.max(1, Math.floor((durationMs * kilobits * channels) / 8) - 1000);
}

function ended(
  child: ChildProcess,
  of: TranscoderSettings & {
    readonly source: Readable;
    readonly meter: LoudnessMeter;
    readonly plain: TranscoderInput['plain'];
  },
): Promise<Transcoded> {
  const { niceness, program, source, meter, plain } = of;
  return new Promise((resolve, reject) => {
    let complaint = '';
    child.once('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT' || error.code === 'EACCES';
      const kind = isMissing ? 'missing' : 'failed';
      reject(new ConversionFailed(kind, isMissing ? `${program} cannot be started (${error.code})` : error.message));
    });
    child.once('spawn', () => {
      try {
        if (niceness > 0) setPriority(child.pid!, niceness);
      } catch {
        // It may have ended already.
      }
    });
    // A converter that ends early closes the pipe; its exit says why.
    child.stdin!.on('error', () => source.destroy());
    source.on('error', (error: Error) => {
      reject(new ConversionFailed('failed', `the recording cannot be read: ${error.message}`));
    });
    let header = plain?.headerBytes ?? 0;
    if (plain !== null) {
      source.on('data', (chunk: Buffer) => {
        meter.push(chunk.subarray(header));
        header = Math.max(0, header - chunk.length);
      });
    }
    source.pipe(child.stdin!);
    child.stdout!.on('data', (chunk: Buffer) => meter.push(chunk));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2000);
    });
    child.once('close', (code, killedBy) => {
      if (code === 0 && meter.durationMs > 0) {
        resolve({ durationMs: Math.round(meter.durationMs), peaks: meter.peaks() });
        return;
      }
      const words = complaint.trim().split('\n').at(-1) ?? '';
      const isFull = /No space left on device|Disk quota exceeded/i.test(complaint);
      const how = killedBy === null ? `ended with ${code}` : `was ended by ${killedBy}`;
      reject(new ConversionFailed(isFull ? 'full' : 'failed', `${program} ${how}${words === '' ? '' : `: ${words}`}`));
    });
  });
}

function killGroup(child: ChildProcess): void {
  child.stdin?.destroy();
  child.stdout?.destroy();
  child.stderr?.destroy();
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has ended.
  }
}
