/** Makes a picture of every screen in light, dark and at phone width: `npm run screenshots`, into `tmp/screenshots`. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { showRecording } from './shown-recording.ts';
import { adminPassword, makeUsers, runSomeHooks, startSeededService, transferCall } from './seeded-service.ts';
import { ensureBuilt, openBrowser, signIn } from './browser.ts';

const screens = [
  'live',
  'calls',
  'missed',
  'overview',
  'contacts',
  'leads',
  'tasks',
  'deliveries',
  'completeness',
  'routing?number=%2B79161110002',
  'dialplan',
  'hooks',
  'hooks?hook=process_call_params',
  'health',
  'staff',
  'people',
  'settings',
  'settings?section=pbx',
  'settings?way=text',
  'setup',
];
/** What opens within a screen. */
const further: readonly { readonly name: string; readonly screen: string; open(page: Page): Promise<void> }[] = [
  {
    name: 'calls-held',
    screen: `calls?call=office/${transferCall}`,
    async open(page) {
      await page.locator('.timeline rect.hold').first().waitFor();
      await page.locator('.dry-run button').first().click();
      await page.locator('.writes li').first().waitFor();
    },
  },
  {
    name: 'calls-recording',
    screen: `calls?call=office/${transferCall}&t=12`,
    async open(page) {
      await page.locator('svg.wave').first().waitFor();
    },
  },
  {
    name: 'completeness-lacking',
    screen: 'completeness',
    async open(page) {
      await page.locator('main button[aria-expanded=false]').first().click();
      await page.locator('.lacking tr.line').first().waitFor();
    },
  },
  {
    name: 'contacts-import',
    screen: 'contacts',
    async open(page) {
      await page.locator('.screen-head button').first().click();
      const buffer = Buffer.from('name,numbers\nAnna,8 916 555-00-01\nBad,none\nIvan,8 916 111-00-02\n');
      await page.locator('input[type=file]').setInputFiles({ name: 'contacts.csv', mimeType: 'text/csv', buffer });
      await page.locator('.import-lines tr.line').nth(2).waitFor();
    },
  },
  {
    name: 'deliveries-close',
    screen: 'deliveries',
    async open(page) {
      await page.locator('tr.line button.plain').first().click();
      await page.locator('dialog').waitFor();
    },
  },
  {
    name: 'people-token',
    screen: 'people',
    async open(page) {
      await page.locator('.sheet-head button').click();
      await page.locator('dialog input[name=name]').fill(`Wallboard ${Date.now()}`);
      await page.locator('dialog button.primary').click();
      await page.locator('.once').waitFor();
    },
  },
];
const only = process.argv[2];
const folder = join(process.cwd(), 'tmp', 'screenshots');
const phone = { width: 390, height: 844 };
const desk = { width: 1280, height: 860 };
const looks = [
  { name: 'light', theme: 'light', language: 'en', viewport: desk },
  { name: 'dark', theme: 'dark', language: 'ru', viewport: desk },
  { name: 'phone', theme: 'light', language: 'en', viewport: phone },
] as const;

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
await ensureBuilt();
const service = await startSeededService();
const browser = await openBrowser();
try {
  const page = await browser.newPage();
  await page.goto(`${service.url}/ui/`);
  await page.locator('form').waitFor();
  await page.screenshot({ path: join(folder, 'first-run.png') });
  await makeUsers(service);
  await runSomeHooks(service);
  await signIn(page, { url: service.url, name: 'admin', password: adminPassword });
  await showRecording(page);
  service.startCall();
  for (const { name, theme, language, viewport } of looks) {
    await page.setViewportSize(viewport);
    await page.evaluate(
      `localStorage.setItem('ringledger.theme', '${theme}'); localStorage.setItem('ringledger.language', '${language}')`,
    );
    for (const screen of screens.filter((one) => only === undefined || one.startsWith(only))) {
      await page.goto(`${service.url}/ui/${screen}`);
      await page.locator('h1').waitFor();
      await page.waitForLoadState(screen === 'live' ? 'load' : 'networkidle');
      if (screen === 'live') await page.locator('.tile').first().waitFor();
      if (screen === 'calls') {
        await page.locator('tr.line').nth(3).click();
        await page.locator('.conversation').first().waitFor();
        await page.locator('.delivery button').first().click();
        await page.locator('.hook-runs summary').first().click();
        await page.waitForLoadState('networkidle');
      }
      if (screen.endsWith('way=text')) await page.locator('.cm-line').first().waitFor();
      if (screen.endsWith('section=pbx')) await page.locator('.entry').first().waitFor();
      if (screen.includes('hook=')) {
        await page.locator('.cm-content').waitFor();
        await page.getByRole('radio').nth(1).click();
        await page.locator('.side-sheet button.primary').click();
        await page.locator('.report').waitFor();
      }
      await page.screenshot({
        path: join(folder, `${screen.replace(/\?number.*/, '').replace(/\?\w+=/, '-')}-${name}.png`),
        fullPage: name === 'phone' ? false : true,
      });
    }
    for (const view of further.filter((one) => only === undefined || one.name.startsWith(only))) {
      await page.goto(`${service.url}/ui/${view.screen}`);
      await page.locator('h1').waitFor();
      await view.open(page);
      await page.screenshot({ path: join(folder, `${view.name}-${name}.png`), fullPage: view.screen !== 'contacts' });
    }
  }
  console.log(browser.alarms.length === 0 ? `Pictures are in ${folder}` : browser.alarms.join('\n'));
} finally {
  await browser.close();
  await service.stop();
}
