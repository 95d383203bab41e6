### Қазақша. `reviewed = yes`, файлды оны жазбаған, осы тілде сөйлейтін адам оқығанда.
reviewed = no

# Жоғарғы жол
state-no-door = есік жоқ
state-connecting = қосылуда
state-connected = қосылды
state-online = желіде
state-gone = түйін тоқтады
state-locked = құлыпталған
state-store = диск істемей тұр
status-queued = кезекте: { $n }
status-one-operator = бір оператор мекенжай мен уақытты көреді
status-one-operator-short = бір оператор

# Пернелер жолы: бір-екі сөз
key-quit = шығу
key-next = келесі
key-back = артқа
key-language = тіл
key-glyphs = белгілер
key-choose = таңдау
key-open = ашу
key-add = қосу
key-field = басқа өріс
key-copy = көшіру
key-copy-id = нөмірін көшіру
key-theirs = өзгенікін қою
key-invert = теріс
key-scroll = парақтау
key-invite = шақыруым
key-send = жіберу
key-newline = жаңа жол
key-message = хат таңдау
key-find = іздеу
key-help = көмек
key-unread = оқылмағандар
key-search = іздеу
key-actions = әрекеттер
key-forward = қайта жіберу
key-reply = жауап
key-delete = қайтарып алу
key-wipe = өшіру
key-change = өзгерту
key-again = қайта тексеру
key-unlock = ашу
key-details = контакт туралы
key-rename = атын өзгерту
key-square = шаршы
key-line = жол етіп
key-same = бірдей
key-file = файл
key-save = сақтау
key-accept = қабылдау
key-decline = бас тарту
key-new = жаңа
key-end = жабу
key-block = бұғаттау
key-about = мәлімет
key-pick = белгілеу
key-ready = дайын
key-leave = шығу
key-remove = шығару

# Мәзір бұйрықтары
command-add = Адам, есік не арна қосу
command-invite = Шақыруымды көрсету
command-unread = Келесі оқылмаған әңгімеге өту
command-requests = Бейтаныстардың сұраулары
command-address = Ашық мекенжай
command-wifi = Сол Wi-Fi
command-group = Топ құру
command-channel = Арна ашу
command-search = Барлық хаттардан іздеу
command-start = Әңгіменің басына
command-newest = Ең жаңа хатқа
command-details = Бұл контакт, топ не арна туралы
command-file = Файл жіберу (45 кБ дейін)
command-lock = Қазір құлыптау
command-wipe = Бәрін осы құрылғыдан өшіріп тастау
command-editor = Өңдегіште жазу ($EDITOR)
command-settings = Баптаулар: тіл, көрініс, хабарламалар
command-doctor = Дәрігер: неге қосылмайды?
command-help = Көмек: пернелер мен белгілер
command-back = Әңгімелерге қайту
command-quit = Karvon-нан шығу

# Хабарламалар
node-gone = Түйін тоқтады. Құрылғыдағы хаттар аман. Karvon-ды қайта іске қосыңыз.
starting = Karvon іске қосылуда…
quit-unsent = Жіберілмеген мәтін бар. Онсыз шығу үшін ^Q тағы басыңыз.
no-unread = Оқылмаған хат жоқ.
text-full = Бір хат бұдан ұзын болмайды. Оны жіберіп, содан кейін жалғастырыңыз.
copied = Терминал буферіне берілді. Онда жоқ болса, қолмен белгілеңіз.
added = Қосылды. Қазір-ақ жазуға болады; екінші жақ жауап бергенде кетеді.
door-added = Есік қосылды. Қосылуда.
not-recognised = Бұл есік те, шақыру да емес. Бүкіл жолды қайта көшіріңіз.
forwarded = Қайта жіберілді: { $name }.
renamed = Ат осы құрылғыда өзгерді.
changed = Орындалды.
saved = Сақталды: { $path }. Тек күткеніңізді ашыңыз.
editor-failed = Өңдегіш іске қосылмады. $EDITOR ішінде өзіңіздегіні көрсетіңіз, мысалы nano.
alert-from = { $name }: { $new }

# Тізім және әңгіме
list-empty = Әзірге ешкім жоқ. ^N: шақыру қою, ^Y: өзіңіздікін көрсету.
chat-none = Әңгімені таңдаңыз немесе табу үшін ^K басыңыз.
chat-loading = Оқылуда…
chat-empty = Әзірге хат жоқ. Жазғаныңыз құрылғыдан шықпай тұрып мөрленеді.
verified = тексерілген
meeting-looking-up = шақыру ізделуде
meeting-greeting = бірінші жауап күтілуде
meeting-asking = реле қабылдауы үшін құрылғы жұмыс істеуде
meeting-waiting = сұрау жіберілді; жауап күтілуде
meeting-failed = ұсталып тұр
new-messages =
    { $n ->
        [one] { $n } жаңа
       *[other] { $n } жаңа
    }
newer-below = төменде жаңалары бар: PgDn
waiting = дискіге жазылуда: { $n }
unknown-kind = [бұл нұсқа танымайтын хат түрі]
date-line = { $weekday }, { $year } ж. { $day } { $month }
date = { $year } ж. { $day } { $month }
weekday-1 = дүйсенбі
weekday-2 = сейсенбі
weekday-3 = сәрсенбі
weekday-4 = бейсенбі
weekday-5 = жұма
weekday-6 = сенбі
weekday-7 = жексенбі
month-1 = қаңтар
month-2 = ақпан
month-3 = наурыз
month-4 = сәуір
month-5 = мамыр
month-6 = маусым
month-7 = шілде
month-8 = тамыз
month-9 = қыркүйек
month-10 = қазан
month-11 = қараша
month-12 = желтоқсан

# Қосу
add-title = Адам немесе есік қосу
add-line = Шақыру (KARVON:…), есік (KARVON-DOOR:…) немесе сілтеме қойыңыз
add-name = Бұл адамға басқа ат бергіңіз келсе, осында жазыңыз
add-help =
    Шақыру бір рет, бір адамға жарайды. Оны оқыған адам пайдалана алады:
    жібергеннен гөрі бетпе-бет көрсеткен жақсы. Есік: бұл құрылғы желіге
    шығатын мекенжай.
add-busy = Қосылуда…
add-empty = Алдымен жолды қойыңыз.

# Groups
role-member = мүше
role-admin = әкімші
role-owner = иесі
group-title = Топ
group-members =
    { $n ->
        [one] { $n } мүше
       *[other] { $n } мүше
    }
group-you = сіз: { $role }
group-joining = Сіз келістіңіз. Енді олардың құрылғысы сізді қабылдауы керек.
group-out = Сіз енді бұл топта емессіз.
group-deaf = Бір мүшенің кілті мұнда оқылмайды: хабар кеш, басқалардан келеді.
group-founded = Топ құрылды. Шақыруды қабылдаған адам топта болады.
group-joined = Қабылданды. Олардың құрылғысы сізді алғанда топ ашылады.
group-asked-in = Сұралды. Олардың құрылғысы сізді алғанда топ ашылады.
group-invited = Сізді топқа шақырады: ^K, Бейтаныстардың сұраулары.
group-asked = Шақырылды. Келіскен адам топта болады.
group-name-missing = Алдымен топтың атын жазыңыз.
group-nobody-picked = Алдымен бос орын пернесімен не түртіп біреуді белгілеңіз.
group-delivered = { $of } ішінен { $n } жетті
group-add = Адамдарды шақыру
group-link = Тізіміңізде жоқ адамға сілтеме
group-link-title = Топтың сілтемесі
group-say-note = Бір адамды кіргізеді және сізді таныстырады.
group-rename = Атын өзгерту
group-timer-note =
    Осы сәттен, топтағы бәріне; бәріне хабар беріледі. Біреу сақтап алғаны
    жоғалмайды.
group-mute = Дыбыссыз: мұнда ештеңе шылдырламайды
group-leave = Топтан шығу
group-new-name = Жаңа ат, барлық мүшелер үшін:
group-leave-sure =
    { $name } тобынан шығасыз ба? Оны енді оқымайсыз, сізді тек әкімші
    қайтара алады. Enter: шығу, Esc: қалу.
group-remove-sure =
    { $name } топтан шығарылсын ба? Бұдан кейін жазылғанды оқи алмайды.
    Enter: шығару, Esc: жоқ.
group-role-sure =
    { $name } үшін жаңа рөл: { $role }. Әкімшілер шақырады және шығарады,
    иелері рөл береді. Enter: иә, Esc: жоқ.
group-invites = { $name } сізді { $group } тобына шақырады ({ $n })
group-invites-note = a: қабылдау, d: бас тарту. Мүшелер бәрінің атын көреді, бейтаныстардікін де.
act-role-admin = Әкімші ету
act-role-member = Қарапайым мүше ету
act-role-owner = Иесі ету
act-remove = Топтан шығару
member-me = сіз
member-unconfirmed = расталмаған, қосқан: { $name }
member-forked = бір нөмірде екі хабар
member-nothing = Мұнда істейтін ештеңе жоқ: бұл сіз, не рөліңіз рұқсат бермейді.
gather-title = Топ құру
gather-add-title = Топқа шақыру
gather-name = Топтың аты
gather-people = Кім шақырылсын? Бос орын пернесі белгілейді.
gather-nobody = Шақыратын адам жоқ: тек жауап берген және топта жоқ контактілер.

# Channels
channel-title = Арна
channel-new-title = Арна ашу
channel-link-title = Арнаның сілтемесі
channel-unnamed = (әзірге жазба жоқ)
channel-read-only = тек оқу: иесі жазады
channel-mine = сіздің арнаңыз
channel-name = Арнаның аты
channel-name-missing = Алдымен арнаның атын жазыңыз.
channel-new-note =
    Тек сіз жазасыз, сілтемесі бар адам оқиды. Кілті тек осы құрылғыда
    және сақтық көшірмелеріңізде.
channel-founded = Арна ашылды. ^D оқырмандарға арналған сілтемесін көрсетеді.
channel-followed = Арнаға жазылдыңыз. Жазбалар түйін жауап бергенде келеді.
channel-asking = Түйіннен ескірек жазбалар сұралуда…
channel-no-older = Ешбір түйінде ескірек жазба жоқ.
channel-link = Сілтемесін көрсету
channel-older = Ескірек жазбаларды сұрау
channel-leave = Енді оқымау
channel-leave-own = Арнадан біржола бас тарту
channel-leave-sure =
    { $name } енді оқылмасын ба? Жазбалары осы құрылғыдан өшеді. Enter: иә,
    Esc: жоқ.
channel-leave-own-sure =
    { $name } арнасынан біржола бас тартасыз ба? Кілті жойылады, оған ешкім
    жаза алмайды. Enter: иә, Esc: жоқ.
channel-say-line = Бұл жолды оқуға болатын адамдарға жіберіңіз:
channel-say-note = Бұл жол кімде болса, бәрін оқи алады және басқаға бере алады.
channel-entries = Осы құрылғыдағы жазбалар: { $n }
channel-under-way = әзірге түйіндерде емес: { $n }
channel-missing = Жетпеген жазбалар: { $n }
channel-forked = Сақ болыңыз: иесі әркімге әртүрлі айтқан.
channel-withheld = Жазбаларды жасырған түйіндер: { $n }
channel-hidden = Сіз оқығаныңызды ешкім білмейді; түйін біреу оқитынын ғана біледі.

# Өз шақыруы
invite-title = Шақыруым
invite-making = Шақыру дайындалуда…
invite-once = Бір адамға, { $date } дейін.
invite-say = Шаршыны суретке түсірсін немесе оларға осы жолды жіберіңіз:
invite-say-line = Бір адам осы жолды көшіріп алсын немесе оған жіберіңіз:
invite-unverified = Жолда оқып қоюы мүмкін: кейін сөздерді телефонмен салыстырыңыз.

# Іздеу
find-title = Адам немесе бұйрық табу
find-none = Ештеңе табылмады. Бірнеше әріпті өшіріңіз.
find-search = Хаттардан іздеу: { $text }
search-title = Барлық хаттардан іздеу
search-start = Сөз жазыңыз. Басқа әліпбиде және белгісіз жазылғаны да табылады.
search-busy = Ізделуде…
search-none = Мұндай сөзі бар хат жоқ.
search-more = Тағы бар: іздеуді тарылту үшін тағы сөз жазыңыз.
forward-title = Кімге қайта жіберіледі
menu-title = Бұл хатпен не істеу керек
act-info = Жолы мен күйі
act-copy = Мәтінін көшіру
act-forward = Адамға немесе топқа қайта жіберу
act-reply = Оған жауап беру
act-react = Оған белгі қою
act-edit = Мәтінін өзгерту
act-delete = Оны екі құрылғыда да қайтарып алу
act-save = Файлды сақтау
act-add = Бұл адамды қосу
react-title = Қай белгі?
react-none = Белгімді алып тастау
delete-title = Бұл хат қайтарып алынсын ба?
delete-sure =
    Екінші құрылғыдан да өшіру сұралады. Оны оқып не көшіріп алған болуы
    мүмкін.
replying = жауап: { $text }
editing = хат өзгертілуде; Esc бұрынғыша қалдырады
message-deleted = [қайтарып алынды]
message-edited = өзгертілген
message-forwarded = қайта жіберілген
message-copied = { $name } арнасынан, иесі қол қойған
message-copied-unknown = өзін { $name } деп атайтын арнаның қолы (кілт { $key })
message-copied-forged = арна жазбасы, оған иесі қол қоймаған
message-earlier = бұрынғы хат
message-file = [файл] { $name }, { $size }
message-introduces = [{ $name } таныстырады: Enter, сосын a, қосады]
message-timer = осы жерден хаттар { $time } өткенде жоғалады
message-timer-off = осы жерден хаттар сақталады
message-missing = келмеген хаттар: { $n }
typing = жазуда…
disappears = { $time } өткенде жоғалады
blocked = бұғатталған
keys-changed =
    { $name } жаңа құрылғыда немесе біреу өзін сол деп көрсетеді. Қоңырау
    шалып, санды салыстырыңыз (^D). Оған дейін ештеңе кетпейді.
time-minutes = { $n } минут
time-hours = { $n } сағат
time-days = { $n } күн

# Хат
info-title = Хат
info-from = Кімнен: { $name }
info-written = Жазылған: { $date }
info-arrived = Бұл құрылғыға келген: { $date }
info-waiting = Жолы оқылуда…
info-way = Хаттың жолы
info-group-queued = бұл құрылғының дискісінде, мүшелерге жолда
info-group-delivered = кімге жазылса, бәрінің дискісінде
info-author-only = Кім алғанын тек авторы біледі.
info-too-many = Мұндай үлкен топта кім алғанын ешкім білмейді.
trail-queued = бұл құрылғының дискісіне жазылды
trail-sent = { $relay } түйініне берілді
trail-stored = { $relay } түйіні оны { $date } дейін дискіде сақтайды
trail-near = осы Wi-Fi арқылы олардың құрылғысына берілді
trail-refused = { $relay } түйіні алмады ({ $note }); келесі әрекет өзі болады
trail-delivered = екінші жақтың құрылғысының дискісінде
trail-read = екінші жақ көрді
trail-other = { $what }
details-title = Контакт туралы
details-connected = Кілттер алмасылған.
details-looking-up = Шақыру ізделуде. Екінші құрылғы өшірулі болса, бірнеше сағат кетуі мүмкін.
details-greeting = Бірінші хат жолда: ол екінші құрылғыны күтуде.
details-asking = Реле сұрауды қабылдағанша құрылғы біраз жұмыс істеуі керек.
details-waiting = Сұрау релелерде. Оны көрді ме, ешкім айтпайды.
details-verified = Кілттерді салыстырғансыз: бұл дәл сол адам.
details-unverified = Кілттер әлі салыстырылмаған. Қауіпті нәрсе жазбас бұрын салыстырыңыз.
details-key = Кілтінің ізі:
details-number =
    Қауіпсіздік саны: екі құрылғыда бірдей. Бетпе-бет не телефонмен
    салыстырыңыз.
details-rename = Осы құрылғыдағы ат
details-same = Салыстырылды: сан бірдей
details-receipts = Нені оқығанымды көреді
details-typing = Жазып жатқанымды көреді
details-timer = Хаттар жоғалады
details-never = ешқашан
details-block = Бұғатталған: ештеңе келмейді
details-timer-note = Осы сәттен, екеуіңізге де; оған хабар беріледі. Ол сақтап алғаны жоғалмайды.
compare-how =
    { $name } жолығыңыз немесе қоңырау шалыңыз: оның экранында осы сан тұруы
    керек.
compare-then = Әр сан бірдей ме? Онда Enter. Әйтпесе Esc: біреу оқып отыруы мүмкін.
details-accept = Салыстырылған кілттерді қабылдау
file-too-long = Файл тым үлкен: бір хабарға 45 кБ сыяды. Кішірегін таңдаңыз.
file-empty = Файл бос.
file-none = Мұнда мұндай әріптері бар ештеңе жоқ.
file-title = Файл жіберу
file-path = Файл қайда (45 кБ дейін). Суреттегі орын мен құрылғы дерегі өшіріледі.
wipe-title = Бәрін өшіру
wipe-sure =
    Бұл құрылғыдағы кілттер, хаттар мен контактілер бірден жойылады. Сақтық
    көшірмесіз ештеңе қайтпайды. Ол үшін жазыңыз: { $word }
wipe-word = өшір
details-name = Жаңа ат, тек осы құрылғыда:
settings-title = Баптаулар
settings-note = Өзгеріс бірден сақталады.
settings-unsaved = Сақталмады. Шыққанша ғана әрекет етеді.
set-lang = Тіл
set-theme = Түстер
set-glyphs = Белгілер
set-mouse = Тінтуір және түрту
set-notify = Хабарлама
set-bell = Қоңырау
value-dark = қараңғы экранға
value-light = жарық экранға
value-mono = түссіз
value-on = қосулы
value-off = өшірулі
value-count = тек саны
value-name = аты және саны
requests-title = Сұраулар
requests-empty = Ешкім сұрамайды. ^K, Ашық мекенжай бәріне жол жасайды.
request-came = Біреу әңгіме сұрайды: ^K, Бейтаныстардың сұраулары.
request-unnamed = (аты жоқ)
wifi-title = Сол Wi-Fi
wifi-say = Бір Wi-Fi желісінде хабарлар интернетсіз жеткізіледі.
wifi-note = Басқалар біреудің Karvon қолданғанын көреді, кім екенін емес.
wifi-none = Бұл құрылғы жергілікті желіде емес.
wifi-near = Қазір осында: { $names }
address-title = Ашық мекенжай
address-busy = Түйіндерден сұрап жатырмын…
address-none = Сізге тек сіз шақырғандар жете алады.
address-none-note =
    n пернесі бәріне арналған жол жасайды: кімде ол болса, әңгіме сұрай алады,
    жауап беру өзіңізде. Онда кім екеніңіз жазылмаған, бірақ оны жариялау
    Karvon қолданатыныңызды білдіреді.
address-say = Бұл жол кімде болса, сізден әңгіме сұрай алады:
address-note = Жауап: Бейтаныстардың сұраулары. Жол сіз жапқанша жұмыс істейді.
address-new-sure = Жаңа жол ескісін жабады: n пернесін тағы басыңыз.
address-end-sure = Бұл жолмен енді ешкім жетпейді: e пернесін тағы басыңыз.
doctor-title = Дәрігер
doctor-words = Сөзбен
doctor-no-door =
    Бұл құрылғы желіге бірде-бір есікті білмейді. Сенімді адамнан есік
    немесе шақыру сұрап, ^N басыңыз.
doctor-connecting =
    Бірде-бір есік жауап бермейді. Интернет бар ма? Басқа сайттар ашылса,
    есіктер істемейді немесе бұғатталған: басқасын сұраңыз. Хаттар аман,
    өздері кетеді.
doctor-connected =
    Есік ашық, бірақ пошта жәшіктері әлі жауап бермеді. Әдетте бұл бірнеше
    секунд. Жазғаныңыз аман.
doctor-online = Бәрі жұмыс істейді: жазғаныңыз бірден кетеді, өзгелердікі келеді.
doctor-one-operator =
    Барлық жәшік бір оператордікі: ол мекенжайыңызды және қашан желіде
    екеніңізді көреді (мәтінді емес). Басқа адамдардан есік алыңыз.
doctor-doors = Есіктер: { $n } ішінен { $up } ашық
doctor-up = ашық
doctor-down = жауап бермейді
doctor-mailboxes = Пошта жәшіктері: { $n } ішінен { $up } жауап береді
doctor-waiting = Өз хаттары: { $queued } құрылғыда, { $stored } түйіндерде
doctor-traffic = Басталғалы: { $in } алынды, { $out } жіберілді
lock-title = құлыпталған
lock-passphrase = Құпия сөйлем
lock-busy = Тексерілуде…
lock-note = Қатеден кейін келесі әрекет ұзағырақ болады. Ештеңе өшірілмейді.

# Көмек
help-title = Көмек
help-everywhere = Барлық жерде
help-chat = Әңгіме
help-message = Таңдалған хат
help-signs = Белгілер
help-find = адам немесе бұйрық табу
help-unread = келесі оқылмаған әңгіме
help-find-all = барлық хаттардан іздеу
help-settings = баптаулар
help-doctor = дәрігер: неге қосылмайды?
help-lock = қазір құлыптау
help-add = адам, есік не арна қосу
help-invite = шақыруымды көрсету
help-back = артқа; ең жоғарыдан мәзірге
help-help = осы көмек
help-quit = шығу
help-send = жіберу
help-newline = жаңа жол
help-pane = басқа бөлік
help-scroll = ескі және жаңа хаттар
help-ends = бірінші және ең жаңа хат
help-editor = $EDITOR ішінде жазу
help-details = бұл контакт, топ не арна туралы
help-file = файл жіберу
help-erase = жолды өшіру
help-select = хат таңдау
help-info = жолы мен күйі
help-copy = мәтінін көшіру
help-forward = мәтінін қайта жіберу
help-reply = жауап, белгі, өзгерту, қайтару
help-actions = онымен істеуге болатын бәрі
help-groups =
    Топтар мен арналар: ^K құрады; ^D мүшелерін не сілтемесін, шығу жолын
    көрсетеді.
help-reader =
    Экран оқығышпен: karvon read --follow жолма-жол шығарады, karvon send
    жазады.
help-layouts = ^ бұл Ctrl. Пернелер қазақ пернетақтасында да жұмыс істейді: ^Л бұл ^K.
sign-queued = бұл құрылғының дискісінде, жіберіледі; тоқ өшсе де жоғалмайды
sign-stored = түйіндер оны дискіге жаздық деді
sign-delivered = екінші жақтың құрылғысының дискісінде
sign-read = екінші жақ көрді, егер білуге рұқсат берсе
sign-held = айтылған себеппен ұсталып тұр; хат сақталған

# Бірінші іске қосу
wizard-title = бірінші іске қосу
wizard-step-language = тіл
wizard-step-name = ат
wizard-step-lock = құлып
wizard-step-connect = қосылу
language-unreviewed = сөйлеушісі әлі оқымаған
wizard-display = Бұлар дұрыс көрінуі керек, әйтпесе қарапайым белгілерді алыңыз (Tab):
wizard-unicode = Юникод
wizard-plain = Қарапайым
wizard-name = Сұхбаттастарыңыз көретін ат (телефон да, пошта да емес)
wizard-name-missing = Ат жазыңыз: кез келгені болады, кейін ауыстыруға болады.
wizard-lock = Бұл құрылғыдағы дерек немен құлыпталады?
wizard-lock-passphrase = Құпия сөйлемім
wizard-lock-none = Құлыпсыз: құрылғыны алған адам бәрін оқиды
wizard-passphrase = Бұл құрылғыны ашатын сөйлем
wizard-passphrase-again = Дәл соны тағы бір рет
wizard-passphrase-note = Ұмытсаңыз, бәрі жоғалады: ешкім қалпына келтіре алмайды.
wizard-passphrase-short = Тым қысқа: кемінде 8 белгі, алты сөз жақсырақ.
wizard-passphrase-differs = Екеуі бірдей емес. Екіншісін қайта жазыңыз.
wizard-connect = Қалай қосыласыз?
wizard-paste = Есік немесе шақыру қою
wizard-demo = Көрсетілім: бәрін жалғыз, желісіз байқап көру
wizard-later = Кейінірек: әзірге екеуі де жоқ
wizard-later-note =
    Есік: еріктінің түйінінің мекенжайы. Ол Karvon пайдаланатын адамның
    шақыруымен немесе түйін иесінен жол болып келеді. Оған дейін қарап
    тұрыңыз, ештеңе жоғалмайды.
wizard-unaudited = Karvon сынақ кезеңінде және аудиттен өтпеген.

too-small = Терезені үлкейтіңіз немесе мынаны іске қосыңыз: karvon read

# Қателер: не болды және не істеу керек
error-unknown = Болмады ({ $code }). Тағы байқап көріңіз.
error-invite-damaged = Шақыру бүлінген. Оны түпнұсқасымен әріптеп салыстырыңыз.
error-invite-newer = Шақыру жаңарақ Karvon-да жасалған. Алдымен мұны жаңартыңыз.
error-invite-used =
    Бұл шақыру бұрын пайдаланылған. Оны сіз пайдаланбаған болсаңыз, жаңасын
    сұраңыз және досыңызға айтыңыз.
error-invite-expired = Бұл шақыру ескірген. Жаңасын сұраңыз.
error-invite-own = Бұл өзіңіздің шақыруыңыз. Оны сөйлескіңіз келген адамға беріңіз.
error-door-damaged = Есік жолы бүлінген. KARVON-DOOR: дегеннен соңына дейін қайта көшіріңіз.
error-no-such-contact = Контактілерде мұндай ат жоқ. Тізімнен таңдаңыз.
error-ambiguous = Бірнеше контакт сай келді. Атын толығырақ жазыңыз.
error-no-such-message = Бұл хат енді мұнда жоқ. Артқа қайтып, басқасын таңдаңыз.
error-too-long = Мәтін бір хатқа ұзын. Оны бөліп-бөліп жіберіңіз.
error-not-yours = Хатты авторы ғана өзгерте немесе қайтарып ала алады.
error-unchangeable = Бұл хатта өзгертуге немесе қайта жіберуге болатын мәтін жоқ.
error-empty = Жіберетін ештеңе жоқ. Алдымен бірдеңе жазыңыз.
error-limit = Шекке жетті. Алдымен бірдеңені өшіріңіз.
error-no-door = Әзірге желіге есік жоқ. ^N арқылы қосыңыз.
error-request-too-long = Ашық мекенжайға алғашқы мәтін 280 байттан аспайды. Қысқарақ жазыңыз.
error-no-such-request = Мұндай сұрау енді жоқ.
error-no-mailbox = Әзірге бірде-бір реле жәшігіңізді сақтамайды. Байланысты күтіп қайталаңыз.
error-busy = Бос емес. Сәлден кейін қайталаңыз.
error-store = Құрылғының дискісі істемеді. Орын босатып не дискіні тексеріп, қайта бастаңыз.
error-locked = Профиль құлыпталған. Оны құпия сөйлеммен ашыңыз.
error-wrong-passphrase = Сөйлем қате. Пернетақта тілін тексеріп, қайта жазыңыз.
error-wait = Қате тым көп. Біраз күтіп, қайта байқап көріңіз. Ештеңе өшпейді.
error-no-passphrase =
    Профильдің сөйлемі жоқ, құлыптауға болмайды. Оны қойыңыз: karvon
    passphrase
error-blocked = Бұл контакт бұғатталған. Алдымен ашыңыз (^D).
error-key-changed = Кілттері өзгерді. Қауіпсіздік санын салыстырып, қабылдаңыз (^D).
error-not-connected = Бірінші жауабы әлі келмеді. Күтіңіз.
error-io = Файлды оқу не жазу мүмкін емес. Аты мен орнын тексеріңіз.
error-picture = Суретті жасырын деректен тазалау мүмкін емес. Оны JPEG етіп сақтаңыз.
error-closed = Түйін жауап бермей тоқтады. Karvon-ды қайта іске қосыңыз.
error-unavailable = Қазір мүмкін емес. Кейінірек байқап көріңіз.
error-version = Басқа нұсқадағы түйін жұмыс істеп тұр. Оны тоқтатыңыз: karvon down
error-bad-request = Түйін түсінбеді. Karvon-ды жаңартып, тағы байқап көріңіз.
error-no-such-group = Бұл топ енді мұнда жоқ.
error-no-such-channel = Бұл арна енді мұнда жоқ.
error-no-such-member = Бұл мүше енді топта жоқ. Мүшелерді қайта қараңыз.
error-not-member = Сіз бұл топта емессіз, сондықтан болмайды.
error-not-allowed = Топтағы рөліңіз бұған рұқсат бермейді. Әкімшіден сұраңыз.
error-already-member = Бұл адам топта бар.
error-link-damaged = Сілтеме бүлінген. KARVON-CHANNEL: дегеннен соңына дейін қайта көшіріңіз.
error-link-newer = Сілтеме жаңарақ Karvon-да жасалған. Алдымен мұны жаңартыңыз.
