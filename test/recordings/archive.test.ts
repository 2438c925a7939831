import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createS3Archive, type RecordingArchive } from '../../src/recordings/archive.ts';

const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';

/**
 * The signature that S3 reckons for a request, "AWS Signature Version 4": from its own words, step by step, so that ours
 * is compared with something else than itself.
 */
function signatureOf({ method, url, headers }: IncomingMessage): string {
  const [, day, region, service, signed] =
    /Credential=\w+\/(\d+)\/([\w-]+)\/(\w+)\/aws4_request, ?SignedHeaders=([\w;-]+), ?Signature=/.exec(
      headers.authorization!,
    )!;
  const [path, query = ''] = url!.split('?');
  const named = signed!.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = [method, path, query, named.join(''), signed, headers['x-amz-content-sha256']].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const digest = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, digest].join('\n');
  const hmac = (key: string | Buffer, words: string) => createHmac('sha256', key).update(words).digest();
  const key = [day!, region!, service!, 'aws4_request'].reduce<string | Buffer>(hmac, `AWS4${secret}`);
  return hmac(key, text).toString('hex');
}

describe('the archive', () => {
  let server: Server;
  let archive: RecordingArchive;
  let respond: (
    request: IncomingMessage,
    body: Buffer,
  ) => { status: number; body?: Buffer; headers?: Record<string, string> } | null;
  let seen: string[] = [];
  beforeEach(async () => {
    seen = [];
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        seen.push(`${request.method} ${request.url}`);
        const isSigned = request.headers.authorization!.endsWith(`Signature=${signatureOf(request)}`);
        const answer = isSigned
          ? respond(request, Buffer.concat(chunks))
          : { status: 403, body: Buffer.from('SignatureDoesNotMatch') };
        if (answer === null) return;
        response.writeHead(answer.status, answer.headers);
        response.end(answer.body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    archive = createS3Archive({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      bucket: 'calls',
      prefix: 'office/',
      region: 'eu-central-1',
      accessId: 'AKIDEXAMPLE',
      accessSecret: secret,
      timeoutMs: 300,
    });
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('signs each request as S3 reckons it, and names the bucket in the path', async () => {
    const kept: Buffer[] = [];
    respond = (request, body) => {
      if (request.method === 'PUT') kept.push(body);
      return request.method === 'GET' ? { status: 206, body: Buffer.from('lo') } : { status: 200 };
    };
    await archive.put('2026/11/21/a_b-c.mp3', Buffer.from('hello'));
    const chunks: Buffer[] = [];
    for await (const chunk of await archive.read('2026/11/21/a_b-c.mp3', 3, 4)) chunks.push(chunk as Buffer);
    await archive.remove('2026/11/21/a_b-c.mp3');
    assert.deepEqual([kept.join(), Buffer.concat(chunks).toString()], ['hello', 'lo']);
    const path = '/calls/office/2026/11/21/a_b-c.mp3';
    assert.deepEqual(seen, [`PUT ${path}`, `GET ${path}`, `DELETE ${path}`]);
  });

  it('takes nothing else for the bytes that it asked for', async () => {
    respond = () => ({ status: 200, body: Buffer.from('the whole of it') });
    await assert.rejects(archive.read('a.mp3', 3, 4), /gave all of it where 2 bytes were asked for/);
    respond = () => ({ status: 206, body: Buffer.from('x'), headers: { 'content-length': '1' } });
    await assert.rejects(archive.read('a.mp3', 3, 4), /gave 1 bytes/);
  });

  it('says what the storage said, tries again what may pass, and gives up in time', async () => {
    respond = () => ({ status: 404, body: Buffer.from('<Code>NoSuchBucket</Code>') });
    await assert.rejects(archive.put('a.mp3', Buffer.from('x')), /answered 404 to PUT: <Code>NoSuchBucket/);
    await archive.remove('a.mp3');
    let failures = 1;
    respond = () => ({ status: failures-- > 0 ? 500 : 200 });
    await archive.put('a.mp3', Buffer.from('x'));
    respond = () => null;
    await assert.rejects(archive.put('a.mp3', Buffer.from('x')), /does not answer: no answer within 300 ms/);
    await new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
    await assert.rejects(archive.put('a.mp3', Buffer.from('x')), /does not answer/);
  });
});
