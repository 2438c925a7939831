import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { AwsClient } from 'aws4fetch';
import { Retryable } from '../core/errors.ts';

/** Far storage of converted recordings; rejects with `Retryable`, in plain words, when it refuses or does not answer. */
export interface RecordingArchive {
  put(key: string, content: Buffer): Promise<void>;
  /** Bytes `from` to `to`, both included. */
  read(key: string, from: number, to: number): Promise<Readable>;
  remove(key: string): Promise<void>;
}

export interface ArchiveSettings {
  readonly url: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly region: string;
  readonly accessId: string;
  readonly accessSecret: string;
  readonly timeoutMs: number;
}

/** Storage that speaks S3; requests are signed (version 4) and name the bucket in the path, as all such storages allow. */
export function createS3Archive(settings: ArchiveSettings): RecordingArchive {
  const client = new AwsClient({
    accessKeyId: settings.accessId,
    secretAccessKey: settings.accessSecret,
    region: settings.region,
    service: 's3',
    retries: 2,
  });
  const place = settings.url.replace(/\/+$/, '');
  const urlOf = (key: string) => `${place}/${settings.bucket}/${settings.prefix}${key}`;

  async function ask(method: string, key: string, init: { headers?: Record<string, string>; body?: Buffer } = {}) {
    let response: Response;
    const deadline = new AbortController();
    const timer = setTimeout(
      () => deadline.abort(new Error(`no answer within ${settings.timeoutMs} ms`)),
      settings.timeoutMs,
    );
    try {
      response = await client.fetch(urlOf(key), {
        method,
        signal: deadline.signal,
        ...(init.headers === undefined ? {} : { headers: init.headers }),
        ...(init.body === undefined ? {} : { body: new Uint8Array(init.body) }),
      });
    } catch (error) {
      throw new Retryable(`the archive does not answer: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      clearTimeout(timer);
    }
    if (response.ok || (method === 'DELETE' && response.status === 404)) return response;
    const words = (await response.text().catch(() => '')).replace(/\s+/g, ' ').slice(0, 300);
    throw new Retryable(`the archive answered ${response.status} to ${method}: ${words}`);
  }

  return {
    async put(key, content) {
      await ask('PUT', key, { body: content, headers: { 'content-type': 'audio/mpeg' } });
    },
    async read(key, from, to) {
      const response = await ask('GET', key, { headers: { range: `bytes=${from}-${to}` } });
      const wanted = to - from + 1;
      const length = response.headers.get('content-length') ?? String(wanted);
      if (response.status !== 206 || length !== String(wanted)) {
        await response.body?.cancel();
        const gift = response.status === 206 ? `${length} bytes` : 'all of it';
        throw new Retryable(`the archive gave ${gift} where ${wanted} bytes were asked for`);
      }
      return Readable.fromWeb(response.body as ReadableStream);
    },
    async remove(key) {
      const response = await ask('DELETE', key);
      await response.body?.cancel();
    },
  };
}
