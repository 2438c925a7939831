import type { RefObject } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { ask } from '../api.ts';
import { showDuration } from '../format.ts';
import { t } from '../i18n/words.ts';
import { isAdmin } from '../session.ts';
import { useLoaded } from './loading.tsx';

interface ShownRecording {
  readonly id: string;
  readonly uniqueId: string | null;
  readonly state: string;
  readonly reason: string | null;
  readonly durationMs: number | null;
  readonly link: string | null;
}

/** The sound of a call. Without recordings, or where they are switched off, nothing is shown. */
export function Recordings({ path }: { readonly path: string }) {
  const loaded = useLoaded(path, (signal) =>
    ask<{ items: readonly ShownRecording[] }>(`${path}/recordings`, { signal }),
  );
  const items = (loaded.value?.items ?? []).filter(({ state }) => state !== 'removed');
  return (
    <>
      {items.map((recording) => (
        <Player key={recording.id} recording={recording} path={path} />
      ))}
    </>
  );
}

const speeds = [1, 1.5, 2];

function Player({ recording, path }: { readonly recording: ShownRecording; readonly path: string }) {
  const isNoted = useRef(false);
  const sound = useRef<HTMLAudioElement>(null);
  const [speed, setSpeed] = useState(1);
  const { link, durationMs, reason, state } = recording;
  // The link is made for CRMs and names the public address; this page stands on the same server whatever it is called.
  const url = link === null ? null : new URL(link, location.href);
  if (url === null || !['ready', 'original'].includes(state))
    return <p class="quiet small">{reason ?? t('recording.notReady')}</p>;
  const note = () => {
    if (isNoted.current) return;
    isNoted.current = true;
    ask(`${path}/recordings/played`, { method: 'POST' }).catch(() => (isNoted.current = false));
  };
  const seek = (seconds: number) => {
    if (sound.current !== null) sound.current.currentTime = Math.max(0, sound.current.currentTime + seconds);
  };
  const play = (next: number) => {
    setSpeed(next);
    if (sound.current !== null) sound.current.playbackRate = next;
  };
  return (
    <section class="conversation" aria-label={t('recording.title')}>
      <header>
        <strong>{t('recording.title')}</strong>
        {durationMs !== null && <span class="quiet small">{showDuration(durationMs / 1000)}</span>}
        <span class="row">
          <button class="plain" onClick={() => seek(-10)}>
            −10
          </button>
          <button class="plain" onClick={() => seek(10)}>
            +10
          </button>
          {speeds.map((one) => (
            <button class="plain" key={one} aria-pressed={speed === one} onClick={() => play(one)}>
              {one}×
            </button>
          ))}
          <a href={`${url.pathname}${url.search}${url.search === '' ? '?' : '&'}download=1`} download>
            {t('recording.download')}
          </a>
        </span>
      </header>
      {isAdmin() && <Wave id={recording.id} sound={sound} />}
      <audio ref={sound} onPlay={note} controls preload="none" src={url.pathname + url.search} />
    </section>
  );
}

interface WaveProps {
  readonly id: string;
  readonly sound: RefObject<HTMLAudioElement | null>;
}

/** Loudness as the server measured it, one line for each side of the talk; a click seeks. */
function Wave({ id, sound }: WaveProps) {
  const loaded = useLoaded(id, (signal) =>
    ask<{ peaks: readonly (readonly number[])[] | null }>(`recordings/${encodeURIComponent(id)}`, { signal }),
  );
  const peaks = loaded.value?.peaks ?? null;
  if (peaks === null || peaks.length === 0) return null;
  const width = Math.max(...peaks.map((channel) => channel.length));
  const height = 40 * peaks.length;
  const pathOf = (channel: readonly number[], row: number) =>
    channel
      .map((loudness, index) => {
        const half = Math.max(0.5, (loudness / 255) * 18);
        return `M${index} ${row * 40 + 20 - half}V${row * 40 + 20 + half}`;
      })
      .join('');
  const seek = (event: MouseEvent) => {
    const { left, width: shown } = (event.currentTarget as Element).getBoundingClientRect();
    const duration = sound.current?.duration ?? NaN;
    if (sound.current !== null && Number.isFinite(duration))
      sound.current.currentTime = ((event.clientX - left) / shown) * duration;
  };
  return (
    <svg class="wave" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true" onClick={seek}>
      {peaks.map((channel, row) => (
        <path key={row} d={pathOf(channel, row)} />
      ))}
    </svg>
  );
}
