import { render } from 'preact';
import './styles/page.css';
import './styles/ledger.css';
import { loadSession } from './api.ts';
import { useLanguage } from './i18n/words.ts';
import { keepPreferences, language } from './preferences.ts';
import { followLinks } from './router.ts';
import { session } from './session.ts';
import { Shell } from './shell.tsx';

keepPreferences();
followLinks();
const known = await Promise.all([loadSession().catch(() => null), useLanguage(language.value)]);
session.value = known[0];
render(<Shell />, document.getElementById('page')!);
