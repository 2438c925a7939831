/** What tests in a browser begin and end with: the service, Chromium, the admin signed in, and no alarm after any test. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { ensureBuilt, openBrowser, signIn, type Browser } from './browser.ts';
import { adminPassword, makeUsers, startSeededService, type SeededService } from './seeded-service.ts';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface AxeViolation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

export interface Opened {
  readonly service: SeededService;
  readonly browser: Browser;
  readonly page: Page;
}

/** Within a `describe`. `take` is given what was opened, before the first test. */
export function startBrowserTests(
  take: (opened: Opened) => void,
  options: {
    readonly service?: Parameters<typeof startSeededService>[0];
    /** Nobody is made and nobody signed in. */
    readonly isFirstRun?: boolean;
  } = {},
) {
  let opened: Opened;
  before(async () => {
    await ensureBuilt();
    const [service, browser] = await Promise.all([startSeededService(options.service), openBrowser()]);
    opened = { service, browser, page: await browser.newPage() };
    take(opened);
    if (options.isFirstRun === true) return;
    await makeUsers(service);
    await signIn(opened.page, { url: service.url, name: 'admin', password: adminPassword });
  });
  after(async () => {
    await opened?.browser.close();
    await opened?.service.stop();
  });
  // No style or script outside the policy, whatever was done.
  afterEach(() => assert.deepEqual(opened.browser.alarms, []));

  return {
    async open(screen: string): Promise<void> {
      await opened.page.goto(`${opened.service.url}/ui/${screen}`);
      await opened.page.locator('h1').waitFor();
    },
    /** Serious and critical faults for people who cannot see or point, as axe finds them on what is open. */
    async axeFaults(): Promise<string[]> {
      await opened.page.evaluate(axeSource);
      const violations = (await opened.page.evaluate(
        `axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations)`,
      )) as AxeViolation[];
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) =>
          nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary}`),
        );
    },
  };
}
