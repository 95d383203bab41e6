### Кыргызча. `reviewed = yes`, файлды аны жазбаган, ушул тилде сүйлөгөн киши окуганда.
reviewed = no

# Жогорку сап
state-no-door = эшик жок
state-connecting = туташууда
state-connected = туташты
state-online = тармакта
state-gone = түйүн токтоду
state-locked = кулпуланган
state-store = диск иштебей жатат
status-queued = кезекте: { $n }
status-one-operator = бир оператор даректи жана убакытты көрөт
status-one-operator-short = бир оператор

# Баскычтар сабы: бир-эки сөз
key-quit = чыгуу
key-next = кийинки
key-back = артка
key-language = тил
key-glyphs = белгилер
key-choose = тандоо
key-open = ачуу
key-add = кошуу
key-field = башка талаа
key-copy = көчүрүү
key-copy-id = номерин көчүрүү
key-theirs = башканыкын коюу
key-invert = тескери
key-scroll = барактоо
key-invite = чакыруум
key-send = жөнөтүү
key-newline = жаңы сап
key-message = кат тандоо
key-find = издөө
key-help = жардам
key-unread = окулбагандар
key-search = издөө
key-actions = аракеттер
key-forward = узатуу
key-reply = жооп
key-delete = кайтарып алуу
key-wipe = өчүрүү
key-change = өзгөртүү
key-again = кайра текшерүү
key-unlock = ачуу
key-details = байланыш тууралуу
key-rename = атын өзгөртүү
key-square = чарчы
key-line = сап кылып
key-same = бирдей
key-file = файл
key-save = сактоо
key-accept = кабыл
key-decline = четке
key-new = жаңы
key-end = жабуу
key-block = тосуу
key-about = маалымат
key-pick = белгилөө
key-ready = даяр
key-leave = чыгуу
key-remove = чыгаруу

# Менюнун буйруктары
command-add = Адам, эшик же канал кошуу
command-invite = Чакыруумду көрсөтүү
command-unread = Кийинки окулбаган баарлашууга өтүү
command-requests = Бейтааныштардын суроолору
command-address = Ачык дарек
command-wifi = Ошол эле Wi-Fi
command-group = Топ түзүү
command-channel = Канал ачуу
command-search = Бардык каттардан издөө
command-start = Баарлашуунун башына
command-newest = Эң жаңы катка
command-details = Бул байланыш, топ же канал тууралуу
command-file = Файл жөнөтүү (45 кБ чейин)
command-lock = Азыр кулпулоо
command-wipe = Баарын бул түзмөктөн өчүрүп салуу
command-editor = Түзөткүчтө жазуу ($EDITOR)
command-settings = Жөндөөлөр: тил, көрүнүш, билдирүүлөр
command-doctor = Доктор: эмне үчүн туташпайт?
command-help = Жардам: баскычтар жана белгилер
command-back = Баарлашууларга кайтуу
command-quit = Karvon'дон чыгуу

# Билдирүүлөр
node-gone = Түйүн токтоду. Түзмөктөгү каттар аман. Karvon'ду кайра баштаңыз.
starting = Karvon башталууда…
quit-unsent = Жөнөтүлбөгөн текст бар. Ансыз чыгуу үчүн ^Q'ну дагы басыңыз.
no-unread = Окулбаган кат жок.
text-full = Бир кат мындан узун болбойт. Аны жөнөтүп, анан улантыңыз.
copied = Терминалдын буферине берилди. Ал жерде жок болсо, кол менен белгилеңиз.
added = Кошулду. Азыр эле жазса болот; экинчи тарап жооп бергенде кетет.
door-added = Эшик кошулду. Туташууда.
not-recognised = Бул эшик да, чакыруу да эмес. Бүт сапты кайра көчүрүңүз.
forwarded = Узатылды: { $name }.
renamed = Ат бул түзмөктө өзгөрдү.
changed = Аткарылды.
saved = Сакталды: { $path }. Күткөнүңүздү гана ачыңыз.
editor-failed = Түзөткүч иштебеди. $EDITOR ичинде өзүңүздөгүнү көрсөтүңүз, мисалы nano.
alert-from = { $name }: { $new }

# Тизме жана баарлашуу
list-empty = Азырынча эч ким жок. ^N: чакыруу коюу, ^Y: өзүңүздүкүн көрсөтүү.
chat-none = Баарлашууну тандаңыз же табуу үчүн ^K басыңыз.
chat-loading = Окулууда…
chat-empty = Азырынча кат жок. Жазганыңыз түзмөктөн чыкканга чейин мөөрлөнөт.
verified = текшерилген
meeting-looking-up = чакыруу изделүүдө
meeting-greeting = биринчи жооп күтүлүүдө
meeting-asking = реле кабыл алышы үчүн түзмөк иштеп жатат
meeting-waiting = суроо жөнөтүлдү; жооп күтүлүүдө
meeting-failed = кармалып турат
new-messages =
    { $n ->
        [one] { $n } жаңы
       *[other] { $n } жаңы
    }
newer-below = ылдыйда жаңыраактары бар: PgDn
waiting = дискке жазылууда: { $n }
unknown-kind = [бул версия тааныбаган кат түрү]
date-line = { $weekday }, { $year }-жылдын { $day }-{ $month }
date = { $year }-жылдын { $day }-{ $month }
weekday-1 = дүйшөмбү
weekday-2 = шейшемби
weekday-3 = шаршемби
weekday-4 = бейшемби
weekday-5 = жума
weekday-6 = ишемби
weekday-7 = жекшемби
month-1 = январы
month-2 = февралы
month-3 = марты
month-4 = апрели
month-5 = майы
month-6 = июну
month-7 = июлу
month-8 = августу
month-9 = сентябры
month-10 = октябры
month-11 = ноябры
month-12 = декабры

# Кошуу
add-title = Адам же эшик кошуу
add-line = Чакыруу (KARVON:…), эшик (KARVON-DOOR:…) же шилтеме коюңуз
add-name = Бул адамга башка ат кааласаңыз, ушул жерге жазыңыз
add-help =
    Чакыруу бир жолу, бир киши үчүн иштейт. Аны окуган киши колдоно алат:
    жөнөткөндөн көрө бетме-бет көрсөткөн жакшы. Эшик: бул түзмөк тармакка
    чыга турган дарек.
add-busy = Кошулууда…
add-empty = Адегенде сапты коюңуз.

# Groups
role-member = мүчө
role-admin = админ
role-owner = ээси
group-title = Топ
group-members =
    { $n ->
        [one] { $n } мүчө
       *[other] { $n } мүчө
    }
group-you = сиз: { $role }
group-joining = Сиз макул болдуңуз. Эми алардын түзмөгү сизди кабыл алышы керек.
group-out = Сиз эми бул топто эмессиз.
group-deaf = Бир мүчөнүн ачкычы бул жерде окулбайт: билдирүү кеч, башкалардан келет.
group-founded = Топ түзүлдү. Чакырууну кабыл алган адам топто болот.
group-joined = Кабыл алынды. Алардын түзмөгү сизди алганда топ ачылат.
group-asked-in = Суралды. Алардын түзмөгү сизди алганда топ ачылат.
group-invited = Сизди топко чакырып жатышат: ^K, Бейтааныштардын суроолору.
group-asked = Чакырылды. Макул болгон адам топто болот.
group-name-missing = Адегенде топтун атын жазыңыз.
group-nobody-picked = Адегенде боштук баскычы же басуу менен бирөөнү белгилеңиз.
group-delivered = { $of } ичинен { $n } жетти
group-add = Адамдарды чакыруу
group-link = Тизмеңизде жок адам үчүн шилтеме
group-link-title = Топтун шилтемеси
group-say-note = Бир адамды киргизет жана сизди тааныштырат.
group-rename = Атын өзгөртүү
group-timer-note =
    Ушул мүнөттөн, топтогу баарына; баарына кабар берилет. Бирөө сактап алганы
    жоголбойт.
group-mute = Үнсүз: бул жерде эч нерсе шыңгырабайт
group-leave = Топтон чыгуу
group-new-name = Жаңы ат, бардык мүчөлөр үчүн:
group-leave-sure =
    { $name } тобунан чыгасызбы? Аны мындан ары окубайсыз, сизди админ гана
    кайтара алат. Enter: чыгуу, Esc: калуу.
group-remove-sure =
    { $name } топтон чыгарылсынбы? Мындан ары жазылганды окуй албайт. Enter:
    чыгаруу, Esc: жок.
group-role-sure =
    { $name } үчүн жаңы роль: { $role }. Админдер чакырат жана чыгарат,
    ээлери роль берет. Enter: ооба, Esc: жок.
group-invites = { $name } сизди { $group } тобуна чакырат ({ $n })
group-invites-note = a: кабыл, d: четке. Мүчөлөр баарынын атын көрөт, бейтааныштардыкын да.
act-role-admin = Админ кылуу
act-role-member = Жөнөкөй мүчө кылуу
act-role-owner = Ээси кылуу
act-remove = Топтон чыгаруу
member-me = сиз
member-unconfirmed = ырасталган эмес, кошкон: { $name }
member-forked = бир номерде эки билдирүү
member-nothing = Бул жерде кыла турган иш жок: бул сиз, же ролуңуз уруксат бербейт.
gather-title = Топ түзүү
gather-add-title = Топко чакыруу
gather-name = Топтун аты
gather-people = Ким чакырылсын? Боштук баскычы белгилейт.
gather-nobody = Чакыра турган адам жок: жооп берген жана топто жок байланыштар гана.

# Channels
channel-title = Канал
channel-new-title = Канал ачуу
channel-link-title = Каналдын шилтемеси
channel-unnamed = (азырынча жазуу жок)
channel-read-only = окуу гана: ээси жазат
channel-mine = сиздин каналыңыз
channel-name = Каналдын аты
channel-name-missing = Адегенде каналдын атын жазыңыз.
channel-new-note =
    Сиз гана жазасыз, шилтемеси бар адам окуйт. Ачкычы ушул түзмөктө жана
    камдык көчүрмөлөрүңүздө гана.
channel-founded = Канал ачылды. ^D окурмандар үчүн шилтемесин көрсөтөт.
channel-followed = Каналга жазылдыңыз. Жазуулар түйүн жооп бергенде келет.
channel-asking = Түйүндөн эскирээк жазуулар суралууда…
channel-no-older = Эч бир түйүндө эскирээк жазуу жок.
channel-link = Шилтемесин көрсөтүү
channel-older = Эскирээк жазууларды суроо
channel-leave = Мындан ары окубоо
channel-leave-own = Каналдан биротоло баш тартуу
channel-leave-sure =
    { $name } мындан ары окулбасынбы? Жазуулары бул түзмөктөн өчөт. Enter:
    ооба, Esc: жок.
channel-leave-own-sure =
    { $name } каналынан биротоло баш тартасызбы? Ачкычы жок кылынат, ага эч
    ким жаза албайт. Enter: ооба, Esc: жок.
channel-say-line = Бул сапты окуй ала турган адамдарга жөнөтүңүз:
channel-say-note = Бул сап кимде болсо, баарын окуй алат жана башкага бере алат.
channel-entries = Бул түзмөктөгү жазуулар: { $n }
channel-under-way = азырынча түйүндөрдө эмес: { $n }
channel-missing = Жетпеген жазуулар: { $n }
channel-forked = Сак болуңуз: ээси ар кимге ар башка айткан.
channel-withheld = Жазууларды жашырган түйүндөр: { $n }
channel-hidden = Сиз окуганыңызды эч ким билбейт; түйүн кимдир бирөө окуганын гана билет.

# Өз чакыруусу
invite-title = Чакыруум
invite-making = Чакыруу даярдалууда…
invite-once = Бир киши үчүн, { $date } чейин.
invite-say = Чарчыны сүрөткө тартышсын же аларга ушул сапты жөнөтүңүз:
invite-say-line = Бир киши бул сапты көчүрүп алсын же ага жөнөтүңүз:
invite-unverified = Жолдо окуп коюшу мүмкүн: кийин сөздөрдү телефондон салыштырыңыз.

# Издөө
find-title = Адам же буйрук табуу
find-none = Эч нерсе табылган жок. Бир нече тамганы өчүрүңүз.
find-search = Каттардан издөө: { $text }
search-title = Бардык каттардан издөө
search-start = Сөз жазыңыз. Башка алфавитте жана белгисиз жазылганы да табылат.
search-busy = Изделүүдө…
search-none = Мындай сөздүү кат жок.
search-more = Дагы бар: издөөнү тарытуу үчүн дагы сөз жазыңыз.
forward-title = Кимге узатылат
menu-title = Бул кат менен эмне кылабыз
act-info = Жолу жана абалы
act-copy = Текстин көчүрүү
act-forward = Кишиге же топко узатуу
act-reply = Ага жооп берүү
act-react = Ага белги коюу
act-edit = Текстин өзгөртүү
act-delete = Аны эки түзмөктө тең кайтарып алуу
act-save = Файлды сактоо
act-add = Бул адамды кошуу
react-title = Кайсы белги?
react-none = Белгимди алып салуу
delete-title = Бул кат кайтарып алынсынбы?
delete-sure =
    Тиги түзмөктөн да өчүрүү суралат. Аны окуп же көчүрүп алышкан болушу
    мүмкүн.
replying = жооп: { $text }
editing = кат өзгөртүлүүдө; Esc мурункудай калтырат
message-deleted = [кайтарылып алынды]
message-edited = өзгөртүлгөн
message-forwarded = узатылган
message-copied = { $name } каналынан, ээси кол койгон
message-copied-unknown = өзүн { $name } деп атаган каналдын колу (ачкыч { $key })
message-copied-forged = канал жазуусу, ага ээси кол койгон эмес
message-earlier = мурунку кат
message-file = [файл] { $name }, { $size }
message-introduces = [{ $name } менен тааныштырат: Enter, анан a, кошот]
message-timer = ушул жерден каттар { $time } өткөндө жоголот
message-timer-off = ушул жерден каттар сакталат
message-missing = келбеген каттар: { $n }
typing = жазууда…
disappears = { $time } өткөндө жоголот
blocked = бөгөттөлгөн
keys-changed =
    { $name } жаңы түзмөктө же бирөө өзүн ал деп көрсөтүүдө. Чалып, санды
    салыштырыңыз (^D). Ага чейин эч нерсе кетпейт.
time-minutes = { $n } мүнөт
time-hours = { $n } саат
time-days = { $n } күн

# Кат
info-title = Кат
info-from = Кимден: { $name }
info-written = Жазылган: { $date }
info-arrived = Бул түзмөккө келген: { $date }
info-waiting = Жолу окулууда…
info-way = Каттын жолу
info-group-queued = бул түзмөктүн дискинде, мүчөлөргө жолдо
info-group-delivered = кимге жазылса, баарынын дискинде
info-author-only = Ким алганын автору гана билет.
info-too-many = Мындай чоң топто ким алганын эч ким билбейт.
trail-queued = бул түзмөктүн дискине жазылды
trail-sent = { $relay } түйүнүнө берилди
trail-stored = { $relay } түйүнү аны { $date } чейин дискте сактайт
trail-near = ушул Wi-Fi аркылуу алардын түзмөгүнө берилди
trail-refused = { $relay } түйүнү алган жок ({ $note }); кийинки аракет өзү болот
trail-delivered = экинчи тараптын түзмөгүнүн дискинде
trail-read = экинчи тарап көрдү
trail-other = { $what }
details-title = Байланыш тууралуу
details-connected = Ачкычтар алмашылган.
details-looking-up = Чакыруу изделүүдө. Тиги түзмөк өчүк болсо, бир нече саат кетиши мүмкүн.
details-greeting = Биринчи кат жолдо: ал тиги түзмөктү күтүүдө.
details-asking = Реле суроону кабыл алганга чейин түзмөк бир аз иштеши керек.
details-waiting = Суроо релелерде. Аны көрүштүбү, эч ким айтпайт.
details-verified = Ачкычтарды салыштыргансыз: бул дал ошол киши.
details-unverified = Ачкычтар салыштырыла элек. Коркунучтуу нерсе жазардан мурун салыштырыңыз.
details-key = Ачкычынын изи:
details-number =
    Коопсуздук саны: эки түзмөктө бирдей. Бетме-бет же телефондон
    салыштырыңыз.
details-rename = Бул түзмөктөгү ат
details-same = Салыштырылды: сан бирдей
details-receipts = Эмнени окуганымды көрөт
details-typing = Жазып жатканымды көрөт
details-timer = Каттар жоголот
details-never = эч качан
details-block = Бөгөттөлгөн: эч нерсе келбейт
details-timer-note = Ушул мүнөттөн, экөөңүзгө тең; ага кабар берилет. Ал сактап алганы жоголбойт.
compare-how =
    { $name } менен жолугуңуз же чалыңыз: анын экранында ушул эле сан турушу
    керек.
compare-then = Ар бир сан бирдейби? Анда Enter. Болбосо Esc: кимдир бирөө окуп жатышы мүмкүн.
details-accept = Салыштырылган ачкычты кабылдоо
file-too-long = Файл өтө чоң: бир билдирүүгө 45 кБ батат. Кичирээгин тандаңыз.
file-empty = Файл бош.
file-none = Бул жерде мындай тамгалуу эч нерсе жок.
file-title = Файл жөнөтүү
file-path = Файл кайда (45 кБ чейин). Сүрөттөгү жер жана түзмөк маалыматы өчүрүлөт.
wipe-title = Баарын өчүрүү
wipe-sure =
    Бул түзмөктөгү ачкычтар, каттар жана байланыштар дароо жок кылынат.
    Камсыз көчүрмөсүз эч нерсе кайтпайт. Ал үчүн жазыңыз: { $word }
wipe-word = өчүр
details-name = Жаңы ат, бул түзмөктө гана:
settings-title = Жөндөөлөр
settings-note = Өзгөртүү дароо сакталат.
settings-unsaved = Сактай алган жокмун. Чыкканга чейин гана иштейт.
set-lang = Тил
set-theme = Түстөр
set-glyphs = Белгилер
set-mouse = Чычкан жана таптоо
set-notify = Билдирүү
set-bell = Коңгуроо
value-dark = караңгы экран үчүн
value-light = жарык экран үчүн
value-mono = түссүз
value-on = күйүк
value-off = өчүк
value-count = саны гана
value-name = аты жана саны
requests-title = Суроолор
requests-empty = Эч ким сурабайт. ^K, Ачык дарек баары үчүн сап жасайт.
request-came = Кимдир сүйлөшүү сурап жатат: ^K, Бейтааныштардын суроолору.
request-unnamed = (аты жок)
wifi-title = Ошол эле Wi-Fi
wifi-say = Бир Wi-Fi тармагында кабарлар интернетсиз жеткирилет.
wifi-note = Башкалар кимдир бирөө Karvon колдонгонун көрөт, ким экенин эмес.
wifi-none = Бул түзмөк жергиликтүү тармакта эмес.
wifi-near = Азыр ушул жерде: { $names }
address-title = Ачык дарек
address-busy = Түйүндөрдөн сурап жатам…
address-none = Сизге сиз чакыргандар гана жете алат.
address-none-note =
    n баскычы баары үчүн сап жасайт: кимде ал болсо, сүйлөшүү сурай алат, жооп
    берүү өзүңүздө. Анда ким экениңиз жазылган эмес, бирок аны жарыялоо Karvon
    колдонорүңүздү билдирет.
address-say = Бул сап кимде болсо, сизден сүйлөшүү сурай алат:
address-note = Жооп: Бейтааныштардын суроолору. Сап сиз жапканча иштейт.
address-new-sure = Жаңы сап эскисин жабат: n баскычын дагы басыңыз.
address-end-sure = Бул сап менен эми эч ким жетпейт: e баскычын дагы басыңыз.
doctor-title = Доктор
doctor-words = Сөз менен
doctor-no-door =
    Бул түзмөк тармакка бир да эшикти билбейт. Ишенимдүү кишиден эшик же
    чакыруу сурап, ^N басыңыз.
doctor-connecting =
    Бир да эшик жооп бербейт. Интернет барбы? Башка сайттар ачылса, эшиктер
    иштебейт же бөгөттөлгөн: башкасын сураңыз. Каттар аман, өздөрү кетет.
doctor-connected =
    Эшик ачык, бирок почта кутулары азырынча жооп бере элек. Адатта бул бир
    нече секунд. Жазганыңыз аман.
doctor-online = Баары иштейт: жазганыңыз дароо кетет, башкалардыкы келет.
doctor-one-operator =
    Бардык кутулар бир оператордуку: ал дарегиңизди жана качан тармакта
    экениңизди көрөт (текстти эмес). Башка адамдардан эшик алыңыз.
doctor-doors = Эшиктер: { $n } ичинен { $up } ачык
doctor-up = ачык
doctor-down = жооп бербейт
doctor-mailboxes = Почта кутулары: { $n } ичинен { $up } жооп берет
doctor-waiting = Өз каттары: { $queued } түзмөктө, { $stored } түйүндөрдө
doctor-traffic = Башталгандан бери: { $in } алынды, { $out } жөнөтүлдү
lock-title = кулпуланган
lock-passphrase = Купуя сөйлөм
lock-busy = Текшерилүүдө…
lock-note = Катадан кийин кийинки аракет узагыраак болот. Эч нерсе өчүрүлбөйт.

# Жардам
help-title = Жардам
help-everywhere = Бардык жерде
help-chat = Баарлашуу
help-message = Тандалган кат
help-signs = Белгилер
help-find = адам же буйрук табуу
help-unread = кийинки окулбаган баарлашуу
help-find-all = бардык каттардан издөө
help-settings = жөндөөлөр
help-doctor = доктор: эмне үчүн туташпайт?
help-lock = азыр кулпулоо
help-add = адам, эшик же канал кошуу
help-invite = чакыруумду көрсөтүү
help-back = артка; эң жогорудан менюга
help-help = ушул жардам
help-quit = чыгуу
help-send = жөнөтүү
help-newline = жаңы сап
help-pane = башка бөлүк
help-scroll = эски жана жаңы каттар
help-ends = биринчи жана эң жаңы кат
help-editor = $EDITOR ичинде жазуу
help-details = бул байланыш, топ же канал тууралуу
help-file = файл жөнөтүү
help-erase = сапты өчүрүү
help-select = кат тандоо
help-info = жолу жана абалы
help-copy = текстин көчүрүү
help-forward = текстин узатуу
help-reply = жооп, белги, өзгөртүү, кайтаруу
help-actions = аны менен кылса болчу бардык иш
help-groups =
    Топтор жана каналдар: ^K түзөт; ^D мүчөлөрүн же шилтемесин, чыгуу жолун
    көрсөтөт.
help-reader = Экран окугуч менен: karvon read --follow сап-сап чыгарат, karvon send жазат.
help-layouts = ^ бул Ctrl. Баскычтар кыргыз тергичинде да иштейт: ^Л бул ^K.
sign-queued = бул түзмөктүн дискинде, жөнөтүлөт; ток өчсө да жоголбойт
sign-stored = түйүндөр аны дискке жаздык дешти
sign-delivered = экинчи тараптын түзмөгүнүн дискинде
sign-read = экинчи тарап көрдү, эгер билүүгө уруксат берсе
sign-held = айтылган себептен кармалып турат; кат сакталган

# Биринчи баштоо
wizard-title = биринчи баштоо
wizard-step-language = тил
wizard-step-name = ат
wizard-step-lock = кулпу
wizard-step-connect = туташуу
language-unreviewed = сүйлөөчүсү азырынча окуй элек
wizard-display = Булар туура көрүнүшү керек, болбосо жөнөкөй белгилерди алыңыз (Tab):
wizard-unicode = Юникод
wizard-plain = Жөнөкөй
wizard-name = Маектештериңиз көрө турган ат (телефон да, почта да эмес)
wizard-name-missing = Ат жазыңыз: каалаганы болот, кийин алмаштырса болот.
wizard-lock = Бул түзмөктөгү маалымат эмне менен кулпуланат?
wizard-lock-passphrase = Купуя сөйлөмүм
wizard-lock-none = Кулпусуз: түзмөктү алган киши баарын окуйт
wizard-passphrase = Бул түзмөктү ачкан сөйлөм
wizard-passphrase-again = Ошонун өзү дагы бир жолу
wizard-passphrase-note = Унутсаңыз, баары жоголот: эч ким калыбына келтире албайт.
wizard-passphrase-short = Өтө кыска: кеминде 8 белги, алты сөз жакшыраак.
wizard-passphrase-differs = Экөө бирдей эмес. Экинчисин кайра жазыңыз.
wizard-connect = Кантип туташасыз?
wizard-paste = Эшик же чакыруу коюу
wizard-demo = Көрсөтмө: баарын жалгыз, тармаксыз сынап көрүү
wizard-later = Кийинчерээк: азырынча экөө тең жок
wizard-later-note =
    Эшик: ыктыярчынын түйүнүнүн дареги. Ал Karvon колдонгон кишинин
    чакыруусу менен же түйүн ээсинен сап болуп келет. Ага чейин карап
    туруңуз, эч нерсе жоголбойт.
wizard-unaudited = Karvon сыноодо жана аудиттен өткөн эмес.

too-small = Терезени чоңойтуңуз же муну иштетиңиз: karvon read

# Каталар: эмне болду жана эмне кылуу керек
error-unknown = Болгон жок ({ $code }). Дагы аракет кылыңыз.
error-invite-damaged = Чакыруу бузулган. Аны аслы менен тамгама-тамга салыштырыңыз.
error-invite-newer = Чакыруу жаңыраак Karvon'до жасалган. Адегенде муну жаңыртыңыз.
error-invite-used =
    Бул чакыруу мурда колдонулган. Аны сиз колдонбосоңуз, жаңысын сураңыз
    жана досуңузга айтыңыз.
error-invite-expired = Бул чакыруу эскирген. Жаңысын сураңыз.
error-invite-own = Бул өзүңүздүн чакырууңуз. Аны баарлашкыңыз келген кишиге бериңиз.
error-door-damaged = Эшиктин сабы бузулган. KARVON-DOOR: дегенден аягына чейин кайра көчүрүңүз.
error-no-such-contact = Байланыштарда мындай ат жок. Тизмеден тандаңыз.
error-ambiguous = Бир нече байланыш туура келди. Атын толугураак жазыңыз.
error-no-such-message = Бул кат мында жок. Артка кайтып, башкасын тандаңыз.
error-too-long = Текст бир кат үчүн узун. Аны бөлүп-бөлүп жөнөтүңүз.
error-not-yours = Катты автору гана өзгөртүп же кайтарып ала алат.
error-unchangeable = Бул катта өзгөртүлө же узатыла турган текст жок.
error-empty = Жөнөтө турган эч нерсе жок. Адегенде бир нерсе жазыңыз.
error-limit = Чекке жетти. Адегенде бир нерсени өчүрүңүз.
error-no-door = Азырынча тармакка эшик жок. ^N менен кошуңуз.
error-request-too-long = Ачык дарекке биринчи текст 280 байттан ашпайт. Кыскараак жазыңыз.
error-no-such-request = Мындай суроо эми жок.
error-no-mailbox = Азырынча бир да реле кутуңузду сактабайт. Байланышты күтүп кайталаңыз.
error-busy = Бош эмес. Бир аздан кийин кайталаңыз.
error-store = Түзмөктүн диски иштебеди. Орун бошотуп же дискти текшерип, кайра баштаңыз.
error-locked = Профиль кулпуланган. Аны купуя сөйлөм менен ачыңыз.
error-wrong-passphrase = Сөйлөм туура эмес. Тергичтин тилин текшерип, кайра жазыңыз.
error-wait = Ката өтө көп. Бир аз күтүп, кайра аракет кылыңыз. Эч нерсе өчпөйт.
error-no-passphrase = Профилдин сөйлөмү жок, кулпулоого болбойт. Аны коюңуз: karvon passphrase
error-blocked = Бул байланыш бөгөттөлгөн. Адегенде ачыңыз (^D).
error-key-changed = Ачкычтары өзгөрдү. Коопсуздук санын салыштырып, кабыл алыңыз (^D).
error-not-connected = Биринчи жообу келе элек. Күтүңүз.
error-io = Файлды окуу же жазуу мүмкүн эмес. Атын жана ордун текшериңиз.
error-picture =
    Сүрөттү жашыруун маалыматтан тазалоо мүмкүн эмес. Аны JPEG кылып
    сактаңыз.
error-closed = Түйүн жооп бербей токтоду. Karvon'ду кайра баштаңыз.
error-unavailable = Азыр мүмкүн эмес. Кийинчерээк аракет кылыңыз.
error-version = Башка версиядагы түйүн иштеп жатат. Аны токтотуңуз: karvon down
error-bad-request = Түйүн түшүнгөн жок. Karvon'ду жаңыртып, дагы аракет кылыңыз.
error-no-such-group = Бул топ мында жок.
error-no-such-channel = Бул канал мында жок.
error-no-such-member = Бул мүчө топто жок. Мүчөлөргө кайра караңыз.
error-not-member = Сиз бул топто эмессиз, ошондуктан болбойт.
error-not-allowed = Топтогу ролуңуз буга уруксат бербейт. Админден сураңыз.
error-already-member = Бул адам топто бар.
error-link-damaged = Шилтеме бузулган. KARVON-CHANNEL: дегенден аягына чейин кайра көчүрүңүз.
error-link-newer = Шилтеме жаңыраак Karvon'до жасалган. Адегенде муну жаңыртыңыз.
