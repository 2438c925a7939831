import { execFile } from 'node:child_process';

/** Tells systemd how the service does. Node cannot open the datagram socket itself, so `systemd-notify` does it. */
export interface SystemdNotice {
  /** Started: what waits for us may start, and the watchdog begins to watch. */
  ready(): void;
  stopping(): void;
}

export interface SystemdNoticeOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Told when systemd cannot be told. */
  readonly onFault: (message: string) => void;
  readonly program?: string;
}

/** Does nothing unless systemd asked to be told (`NOTIFY_SOCKET`). The watchdog's timer never keeps the process alive. */
export function createSystemdNotice({ env, onFault, program = 'systemd-notify' }: SystemdNoticeOptions): SystemdNotice {
  if (env['NOTIFY_SOCKET'] === undefined) return { ready() {}, stopping() {} };
  const tell = (...words: string[]) => {
    execFile(program, words, { env, timeout: 5000 }, (error) => {
      if (error !== null) onFault(`systemd could not be told ${words.join(' ')}: ${error.message.trim()}`);
    });
  };
  let watchdog: NodeJS.Timeout | undefined;
  return {
    ready() {
      tell('--ready');
      const intervalMs = Number(env['WATCHDOG_USEC'] ?? 0) / 1000;
      if (!(intervalMs > 0)) return;
      // A timer of the event loop: when that hangs, systemd hears nothing and starts us anew.
      watchdog = setInterval(() => tell('WATCHDOG=1'), intervalMs / 2);
      watchdog.unref();
    },
    stopping() {
      clearInterval(watchdog);
      tell('STOPPING=1');
    },
  };
}
