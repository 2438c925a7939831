/** Debian's Chromium, driven by playwright-core, with a profile that is removed afterwards. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { buildUi, isStale } from '../../scripts/build-ui.mjs';

export interface Browser {
  readonly context: BrowserContext;
  /** Everything that must never happen on a page: dialogs, scripts of others, violations of the policy, errors. */
  readonly alarms: string[];
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

/** Builds the pages when they are older than their sources: what is tested is what the sources say. */
export async function ensureBuilt(): Promise<void> {
  if (isStale()) await buildUi();
}

export async function openBrowser(
  options: { readonly locale?: string; readonly viewport?: { readonly width: number; readonly height: number } } = {},
): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'ringledger-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    headless: true,
    locale: options.locale ?? 'en-GB',
    viewport: options.viewport ?? { width: 1280, height: 860 },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const alarms: string[] = [];
  await context.addInitScript({
    content: `document.addEventListener('securitypolicyviolation', (event) =>
      console.error('policy violation: ' + event.violatedDirective + ' ' + event.blockedURI));`,
  });
  const watch = (page: Page) => {
    page.on('dialog', (dialog) => {
      alarms.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('pageerror', (error) => alarms.push(`error: ${error.message}`));
    page.on('console', (message) => {
      if (/policy violation|Content Security Policy/i.test(message.text())) alarms.push(message.text());
    });
  };
  for (const page of context.pages()) watch(page);
  context.on('page', watch);
  return {
    context,
    alarms,
    newPage: () => context.newPage(),
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

export async function signIn(
  page: Page,
  options: { readonly url: string; readonly name: string; readonly password: string },
): Promise<void> {
  await page.goto(`${options.url}/ui/`);
  await page.locator('input[name=name]').fill(options.name);
  await page.locator('input[name=password]').fill(options.password);
  await page.locator('button.primary').click();
  await page.locator('nav').first().waitFor({ state: 'attached' });
}
