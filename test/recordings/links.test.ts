/** A link opens its recording, in any browser, at any position; nobody without it hears anything. */
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import fc from 'fast-check';
import type { Recording } from '../../src/core/recording.ts';
import { RecordingLinks } from '../../src/recordings/links.ts';
import { readRange } from '../../src/web/routes/recordings.ts';
import { samplesOfThisRun } from '../support/random-seed.ts';
import { forEachDatabase } from '../support/databases.ts';
import { until } from '../support/until.ts';
import { RecordingsHouse } from './house.ts';
import { wavOf } from './wav.ts';

const secret = 'a'.repeat(32);
const day = 86_400_000;

describe('the signature of a link', () => {
  const now = new Date('2026-11-21T08:00:00Z');
  const recording = { id: 'abcdefghijklmnopqrstuv', linkVersion: 1 };
  const linksWith = (secrets: [string, ...string[]], expireDays: number | null = null) =>
    new RecordingLinks({ publicUrl: () => 'https://calls.example.org/', secrets, expireDays });
  const partsOf = (link: string) => {
    const url = new URL(link);
    return { id: url.pathname.slice('/r/'.length), query: Object.fromEntries(url.searchParams) };
  };
  const check = (links: RecordingLinks, link: string, at = now) => {
    const { id, query } = partsOf(link);
    return links.check(id, query, at).result;
  };

  it('is good for ever, or as long as was set', () => {
    const permanent = linksWith([secret]).linkOf(recording, now);
    assert.match(permanent, /^https:\/\/calls\.example\.org\/r\/abcdefghijklmnopqrstuv\?v=1&s=[\w-]{43}$/);
    assert.equal(check(linksWith([secret]), permanent, new Date(now.getTime() + 3650 * day)), 'good');
    const brief = linksWith([secret], 2).linkOf(recording, now);
    assert.equal(check(linksWith([secret]), brief, new Date(now.getTime() + 2 * day - 1000)), 'good');
    assert.equal(check(linksWith([secret]), brief, new Date(now.getTime() + 2 * day)), 'expired');
  });

  it('is believed with an older secret, until that is taken away', () => {
    const old = linksWith([secret]).linkOf(recording, now);
    const fresh = 'b'.repeat(32);
    assert.equal(check(linksWith([fresh, secret]), old), 'good');
    assert.equal(check(linksWith([fresh]), old), 'bad');
    assert.equal(check(linksWith([secret]), linksWith([fresh, secret]).linkOf(recording, now)), 'bad');
  });

  it('holds for nothing but what was signed', () => {
    const links = linksWith([secret]);
    const { id, query } = partsOf(linksWith([secret], 1).linkOf(recording, now));
    const forms = [
      { id: 'abcdefghijklmnopqrstuw', query },
      { id, query: { ...query, v: '2' } },
      { id, query: { ...query, v: '01' } },
      { id, query: { ...query, e: String(Number(query['e']) + 1) } },
      { id, query: { ...query, e: `0${query['e']}` } },
      { id, query: { v: query['v'], s: query['s'] } },
      { id, query: { ...query, s: [query['s'], query['s']] } },
      { id, query: { ...query, s: query['s']!.slice(0, -1) } },
      { id, query: { ...query, s: `${query['s']}=` } },
      { id, query: {} },
    ];
    for (const form of forms) assert.equal(links.check(form.id, form.query, now).result, 'bad', JSON.stringify(form));
    // The last letter of 43 has bits that no byte holds: only one spelling is ours.
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const good = [...letters].filter(
      (letter) => links.check(id, { ...query, s: query['s']!.slice(0, -1) + letter }, now).result === 'good',
    );
    assert.equal(good.length, 1);
  });
});

describe('the span that a player asks for', () => {
  it('is read as the RFC says', () => {
    const span = (from: number, to: number) => ({ kind: 'part', from, to });
    const forms: [string | undefined, unknown][] = [
      [undefined, { kind: 'all' }],
      ['bytes=0-', span(0, 99)],
      ['bytes=0-0', span(0, 0)],
      ['bytes=10-19', span(10, 19)],
      ['bytes=90-1000', span(90, 99)],
      ['bytes=-10', span(90, 99)],
      ['bytes=-1000', span(0, 99)],
      ['Bytes=5-6', span(5, 6)],
      ['bytes=100-', { kind: 'none' }],
      ['bytes=-0', { kind: 'none' }],
      ['bytes=19-10', { kind: 'all' }],
      ['bytes=0-1,5-6', { kind: 'all' }],
      ['items=0-1', { kind: 'all' }],
      ['bytes=a-b', { kind: 'all' }],
      ['bytes=-', { kind: 'all' }],
    ];
    for (const [header, wish] of forms) assert.deepEqual(readRange(header, 100), wish, header ?? 'none');
  });
});

forEachDatabase((makeDatabase, kind) => {
  if (kind !== 'sqlite') return;
  describe('a link', function () {
    this.timeout(60_000);
    const path = '/var/spool/asterisk/monitor/a.wav';
    let house: RecordingsHouse;
    let recording: Recording;
    let link: string;
    let whole: Buffer;
    beforeEach(async () => {
      house = new RecordingsHouse((await makeDatabase()).database, { config: { links: { expireDays: 30 } } });
      await house.start();
      house.write(path, wavOf([{ hertz: 440, seconds: 3 }]));
      recording = (await house.untilAll(await house.end({ path }), 'ready'))[0]!;
      link = house.linkOf(recording);
      whole = (await house.play(recording)).body;
    });
    afterEach(() => house.stop());
    const ask = (headers: Record<string, string> = {}, method = 'GET') => fetch(link, { headers, method });

    it('is answered whole, or by its headers alone', async () => {
      const response = await ask();
      const { headers } = response;
      assert.equal(response.status, 200);
      assert.equal(headers.get('content-type'), 'audio/mpeg');
      assert.equal(headers.get('accept-ranges'), 'bytes');
      assert.equal(Number(headers.get('content-length')), whole.length);
      assert.match(headers.get('content-disposition')!, /^inline; filename="20261121-075901_\+79161110002_101\.mp3"$/);
      assert.equal(headers.get('cross-origin-resource-policy'), 'cross-origin');
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), whole);
      const head = await ask({}, 'HEAD');
      assert.equal(head.status, 200);
      assert.equal((await head.arrayBuffer()).byteLength, 0);
      for (const name of ['content-type', 'accept-ranges', 'content-length', 'etag', 'last-modified']) {
        assert.equal(head.headers.get(name), headers.get(name), name);
      }
    });

    it('is answered from any position', async () => {
      await fc.assert(
        fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(whole.length + 100), async (from, to) => {
          if (to < from) return;
          const response = await ask({ range: `bytes=${from}-${to}` });
          assert.equal(response.status, 206);
          const last = Math.min(to, whole.length - 1);
          assert.equal(response.headers.get('content-range'), `bytes ${from}-${last}/${whole.length}`);
          assert.deepEqual(Buffer.from(await response.arrayBuffer()), whole.subarray(from, last + 1));
        }),
        { numRuns: 40 },
      );
      const beyond = await ask({ range: `bytes=${whole.length}-` });
      assert.equal(beyond.status, 416);
      assert.equal(beyond.headers.get('content-range'), `bytes */${whole.length}`);
      // A part is of a body, which HEAD does not have.
      for (const range of ['bytes=0-1', `bytes=${whole.length}-`]) {
        const { status, headers } = await ask({ range }, 'HEAD');
        const told = [
          status,
          headers.get('content-length'),
          headers.get('accept-ranges'),
          headers.get('content-range'),
        ];
        assert.deepEqual(told, [200, String(whole.length), 'bytes', null]);
      }
    });

    it('gives a part only of what the player has, and nothing anew that it has', async () => {
      const { headers } = await ask({}, 'HEAD');
      const etag = headers.get('etag')!;
      const range = 'bytes=0-9';
      assert.equal((await ask({ range, 'if-range': etag })).status, 206);
      assert.equal((await ask({ range, 'if-range': headers.get('last-modified')! })).status, 206);
      assert.equal((await ask({ range, 'if-range': '"another"' })).status, 200);
      assert.equal((await ask({ range, 'if-range': `W/${etag}` })).status, 200);
      assert.equal((await ask({ range, 'if-range': new Date(0).toUTCString() })).status, 200);
      assert.equal((await ask({ 'if-none-match': etag })).status, 304);
      assert.equal((await ask({ 'if-none-match': '"another"' })).status, 200);
    });

    it('gives the original on request, and as a file to keep', async () => {
      const original = await fetch(`${link}&original=1`);
      assert.equal(original.headers.get('content-type'), 'audio/wav');
      assert.deepEqual(Buffer.from(await original.arrayBuffer()), wavOf([{ hertz: 440, seconds: 3 }]));
      const part = await fetch(`${link}&original=1`, { headers: { range: 'bytes=40-99' } });
      assert.equal((await part.arrayBuffer()).byteLength, 60);
      assert.match((await fetch(`${link}&download`)).headers.get('content-disposition')!, /^attachment/);
    });

    it('bears what CRMs and mail programs add to it', async () => {
      for (const more of ['&utm_source=crm', '&t=12', '&v2=9', '&_=1', '&e%00=1', '&a[]=1', '#t=12']) {
        const response = await fetch(link + more);
        assert.equal(response.status, 200, more);
        await response.arrayBuffer();
      }
      const copied = await fetch(link.replaceAll('&', '&amp;'));
      assert.equal(copied.status, 200);
      await copied.arrayBuffer();
    });

    it('ends when its time is over, when it is revoked, and with the recording', async () => {
      house.clock.advance(31 * day);
      const expired = await ask();
      assert.equal(expired.status, 410);
      assert.match(await expired.text(), /expired/);
      const fresh = house.linkOf(recording);
      assert.equal((await fetch(fresh)).status, 200);
      const revoked = await house.web.request(`/api/v1/recordings/${recording.id}/revoke`, {
        method: 'POST',
        json: {},
      });
      const { link: newest } = (await revoked.json()) as { link: string };
      assert.equal((await fetch(fresh)).status, 410);
      assert.equal((await fetch(newest)).status, 200);
      await house.recordings.door.forgetNumber('+79161110002');
      const gone = await fetch(newest);
      assert.equal(gone.status, 410);
      assert.match(await gone.text(), /deleted/);
    });

    it('leaves a trace of who listened: once for all requests of a player', async () => {
      for (let at = 0; at < 5; at++)
        await (await ask({ range: `bytes=${at * 10}-`, 'user-agent': 'Player/1' })).arrayBuffer();
      await ask({}, 'HEAD');
      await (await ask({ 'x-forwarded-for': '203.0.113.9' })).arrayBuffer();
      const shown = await (await house.web.request(`/api/v1/recordings/${recording.id}`)).json();
      const { plays, peaks } = shown as { plays: Record<string, string>[]; peaks: number[][] };
      assert.deepEqual(
        plays.map(({ address, forwardedFor, agent }) => [address, forwardedFor, agent]),
        [
          ['127.0.0.1', null, 'node'],
          ['127.0.0.1', '203.0.113.9', 'node'],
        ],
      );
      assert.ok(peaks[0]!.length > 20);
    });

    it('lets go of its file when the player goes away half-way', async () => {
      const long = '/var/spool/asterisk/monitor/long.wav';
      const place = house.write(long, wavOf([{ hertz: 440, seconds: 120 }]));
      const [talk] = await house.untilAll(await house.end({ path: long, serial: 2 }), 'ready');
      const held = () =>
        readdirSync('/proc/self/fd').filter((fd) => {
          try {
            return readlinkSync(`/proc/self/fd/${fd}`) === place;
          } catch {
            return false;
          }
        }).length;
      let most = 0;
      const url = new URL(`${house.linkOf(talk!)}&original=1`);
      for (let times = 0; times < 20; times++) {
        await new Promise<void>((resolve) => {
          const socket = connect(Number(url.port), url.hostname, () => {
            socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: x\r\n\r\n`);
          });
          socket.once('data', () => {
            most = Math.max(most, held());
            socket.destroy();
          });
          socket.once('close', () => resolve());
        });
      }
      assert.ok(most > 0);
      await until(() => held() === 0, { what: 'no file is held open' });
    });

    it('is guessed, altered or bent 5,000 times in vain', async () => {
      const url = new URL(link);
      const { id } = recording;
      const signature = url.searchParams.get('s')!;
      const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
      const text = (length: number) =>
        fc.string({ unit: fc.constantFrom(...letters), minLength: length, maxLength: length });
      const bend = (value: string, at: number, letter: string) => value.slice(0, at) + letter + value.slice(at + 1);
      const tail = url.search;
      const crooked = [
        ...['/r/../r/', '/r/%2e%2e/', '/r//', '/r/.%00./', '/r/..%2f..%2fetc%2fpasswd', '/r/%5c..%5c', '/r/....//'],
        ...['/R/', '/r;a/', '/r/%252e%252e%252f', '/r/\u{202e}', '/r/~root/', '/r/C:', '//r/'],
      ];
      const guess = fc.oneof(
        fc.tuple(text(22), text(43)).map(([a, s]) => `/r/${a}?v=1&s=${s}`),
        text(43).map((s) => `/r/${id}?v=1&s=${s}`),
        fc
          .tuple(fc.nat(42), fc.constantFrom(...letters))
          .map(([at, l]) => `/r/${id}${tail.replace(signature, bend(signature, at, l))}`),
        fc.tuple(fc.nat(21), fc.constantFrom(...letters)).map(([at, l]) => `/r/${bend(id, at, l)}${tail}`),
        fc.nat(1e10).map((e) => `/r/${id}?v=1&e=${e}&s=${signature}`),
        fc.nat(1e6).map((v) => `/r/${id}?v=${v}&s=${signature}`),
        fc
          .tuple(fc.constantFrom(...crooked), fc.constantFrom(id, `${id}.mp3`, 'x', recording.mp3!.name))
          .map(([c, i]) => `${c}${i}${tail}`),
        fc
          .tuple(fc.constantFrom('?', '?v=1', `?s=${signature}`, `?v=1&v=1&s=${signature}`, '?v[]=1&s[]=x'))
          .map(([q]) => `/r/${id}${q}`),
        text(5).map((more) => `/r/${id}${more}${tail}`),
      );
      const guesses = samplesOfThisRun(guess, 5000).filter((one) => one !== url.pathname + url.search);
      assert.ok(guesses.length > 4900);
      const statuses = new Map<number, number>();
      for (let at = 0; at < guesses.length; at += 50) {
        await Promise.all(
          guesses.slice(at, at + 50).map(async (one) => {
            const response = await fetch(house.web.url + one);
            statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
            const body = await response.text();
            // `fetch` itself puts some crooked paths straight; those are the good link.
            if (new URL(house.web.url + one).href === link) return;
            assert.ok(response.status === 404 || response.status === 400, `${response.status} for ${one}`);
            assert.ok(body.length < 1000, one);
          }),
        );
      }
      assert.equal((await ask()).status, 200);
    });
  });
});
