import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../../api.ts';
import { showDuration } from '../../format.ts';
import { say, t } from '../../i18n/words.ts';
import { addressOf, place } from '../../router.ts';
import { useLoaded } from '../loading.tsx';
import { tell, tellFault } from '../notices.tsx';

interface ShownRecording {
  readonly id: string;
  readonly uniqueId: string | null;
  readonly state: string;
  readonly reason: string | null;
  readonly durationMs: number | null;
  readonly link: string | null;
  /** Whose voice the left side of a recording in stereo holds; null: nobody knows. */
  readonly left?: 'client' | 'employee' | null;
}

/** The sound of a call. Without recordings, or where they are switched off, nothing is shown. */
export function Recordings({ path, call }: { readonly path: string; readonly call: string }) {
  const loaded = useLoaded(path, (signal) =>
    ask<{ items: readonly ShownRecording[] }>(`${path}/recordings`, { signal }),
  );
  const items = (loaded.value?.items ?? []).filter(({ state }) => state !== 'removed');
  const { query } = place.value;
  // A link to a moment names the recording where there are several.
  const meant = query.call === call && query.t !== undefined ? (query.sound ?? items[0]?.id) : undefined;
  return (
    <>
      {items.map((recording) => (
        <Player
          key={recording.id}
          recording={recording}
          path={path}
          call={call}
          startAt={recording.id === meant ? Math.max(0, Number(query.t) || 0) : null}
        />
      ))}
    </>
  );
}

const speeds = [1, 1.25, 1.5, 2];

interface PlayerProps {
  readonly recording: ShownRecording;
  readonly path: string;
  readonly call: string;
  /** Seconds; null: from the beginning. */
  readonly startAt: number | null;
}

function Player({ recording, path, call, startAt }: PlayerProps) {
  const isNoted = useRef(false);
  const box = useRef<HTMLElement>(null);
  const sound = useRef<HTMLAudioElement>(null);
  const [speed, setSpeed] = useState(1);
  const { link, durationMs, reason, state } = recording;
  useEffect(() => {
    if (startAt === null || sound.current === null) return;
    sound.current.currentTime = startAt;
    box.current?.scrollIntoView({ block: 'center' });
  }, [startAt]);
  // The link is made for CRMs and names the public address; this page stands on the same server whatever it is called.
  const url = link === null ? null : new URL(link, location.href);
  if (url === null || !['ready', 'original'].includes(state))
    return <p class="quiet small">{reason === null ? t('recording.notReady') : say(reason)}</p>;
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
  const copyLink = async () => {
    const moment = String(Math.floor(sound.current?.currentTime ?? 0));
    const address = new URL(addressOf('calls', { call, sound: recording.id, t: moment }), location.href);
    try {
      await navigator.clipboard.writeText(address.href);
      tell(t('recording.copied', { time: showDuration(Number(moment)) }));
    } catch (error) {
      tellFault(error);
    }
  };
  return (
    <section class="conversation player" aria-label={t('recording.title')} ref={box}>
      <header>
        <strong>{t('recording.title')}</strong>
        {durationMs !== null && <span class="quiet small">{showDuration(durationMs / 1000)}</span>}
        <span class="row">
          <button class="plain" aria-label={t('recording.back')} onClick={() => seek(-10)}>
            −10
          </button>
          <button class="plain" aria-label={t('recording.ahead')} onClick={() => seek(10)}>
            +10
          </button>
          {speeds.map((one) => (
            <button class="plain speed" key={one} aria-pressed={speed === one} onClick={() => play(one)}>
              {one}×
            </button>
          ))}
          <button class="plain" onClick={() => void copyLink()}>
            {t('recording.copyLink')}
          </button>
          <a href={`${url.pathname}${url.search}${url.search === '' ? '?' : '&'}download=1`} download>
            {t('recording.download')}
          </a>
        </span>
      </header>
      <Wave recording={recording} sound={sound} />
      <audio
        ref={sound}
        onPlay={note}
        controls
        preload={startAt === null ? 'none' : 'metadata'}
        src={url.pathname + url.search}
      />
    </section>
  );
}

interface WaveProps {
  readonly recording: ShownRecording;
  readonly sound: RefObject<HTMLAudioElement | null>;
}

const rowHeight = 40;

/** Loudness as the server measured it, one row for each side of the talk. A slider: a click or the arrow keys seek. */
function Wave({ recording, sound }: WaveProps) {
  const { id, durationMs } = recording;
  const loaded = useLoaded(id, (signal) =>
    ask<{ peaks: readonly (readonly number[])[] | null }>(`recordings/${encodeURIComponent(id)}`, { signal }),
  );
  const [at, setAt] = useState(0);
  const peaks = loaded.value?.peaks ?? null;
  const isDrawn = peaks !== null && peaks.length > 0;
  useEffect(() => {
    const player = sound.current;
    if (player === null || !isDrawn) return;
    const follow = () => setAt(player.currentTime);
    for (const event of ['timeupdate', 'seeking', 'loadedmetadata']) player.addEventListener(event, follow);
    follow();
    return () => {
      for (const event of ['timeupdate', 'seeking', 'loadedmetadata']) player.removeEventListener(event, follow);
    };
  }, [isDrawn]);
  if (!isDrawn) return null;
  const width = Math.max(...peaks.map((channel) => channel.length));
  const height = rowHeight * peaks.length;
  const known = sound.current?.duration ?? NaN;
  const duration = Number.isFinite(known) ? known : (durationMs ?? 0) / 1_000;
  const go = (seconds: number) => {
    const player = sound.current;
    if (player === null || duration <= 0) return;
    player.currentTime = Math.min(duration, Math.max(0, seconds));
    setAt(player.currentTime);
  };
  const pathOf = (channel: readonly number[], row: number) =>
    channel
      .map((loudness, index) => {
        const half = Math.max(0.5, (loudness / 255) * 18);
        return `M${index} ${row * rowHeight + rowHeight / 2 - half}V${row * rowHeight + rowHeight / 2 + half}`;
      })
      .join('');
  const click = (event: MouseEvent) => {
    const { left, width: shown } = (event.currentTarget as Element).getBoundingClientRect();
    go(((event.clientX - left) / shown) * duration);
  };
  const press = (event: KeyboardEvent) => {
    const steps: Readonly<Record<string, number>> = {
      ArrowLeft: at - 5,
      ArrowDown: at - 5,
      ArrowRight: at + 5,
      ArrowUp: at + 5,
      PageDown: at - 30,
      PageUp: at + 30,
      Home: 0,
      End: duration,
    };
    const wanted = steps[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    go(wanted);
  };
  const played = duration > 0 ? Math.min(1, at / duration) : 0;
  return (
    <div class="wave-rows">
      {peaks.length === 2 && (
        <div class="wave-sides">
          {sidesOf(recording.left ?? null).map((word) => (
            <span key={word}>{word}</span>
          ))}
        </div>
      )}
      <div
        class="wave-slider"
        role="slider"
        tabIndex={0}
        aria-label={t('recording.position')}
        aria-valuemin={0}
        aria-valuemax={Math.round(duration)}
        aria-valuenow={Math.round(at)}
        aria-valuetext={`${showDuration(at)} / ${showDuration(duration)}`}
        onClick={click}
        onKeyDown={press}
      >
        <svg class="wave" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
          <rect class="played" x="0" y="0" width={played * width} height={height} />
          {peaks.map((channel, row) => (
            <path key={row} d={pathOf(channel, row)} />
          ))}
        </svg>
      </div>
    </div>
  );
}

/** The words beside the upper and the lower row. */
function sidesOf(left: 'client' | 'employee' | null): readonly [string, string] {
  const [l, r] = [t('recording.left'), t('recording.right')];
  if (left === null) return [l, r];
  const [client, employee] = [t('recording.client'), t('recording.employee')];
  return left === 'client' ? [`${l}: ${client}`, `${r}: ${employee}`] : [`${l}: ${employee}`, `${r}: ${client}`];
}
