### Кыргызча. `reviewed = yes`, файлды аны жазбаган, ушул тилде сүйлөгөн киши окуганда.
reviewed = no

# Жогорку сап
state-no-door = эшик жок
state-connecting = туташууда
state-connected = туташты
state-online = тармакта
state-gone = түйүн токтоду
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
key-info = кеңири
key-send = жөнөтүү
key-newline = жаңы сап
key-message = кат тандоо
key-find = издөө
key-help = жардам
key-unread = окулбагандар

# Менюнун буйруктары
command-add = Адам же эшик кошуу
command-invite = Чакыруумду көрсөтүү
command-unread = Кийинки окулбаган баарлашууга өтүү
command-help = Жардам: баскычтар жана белгилер
command-back = Баарлашууларга кайтуу
command-quit = Karvon'дон чыгуу

# Билдирүүлөр
node-gone = Түйүн токтоду. Түзмөктөгү каттар аман. Karvon'ду кайра баштаңыз.
quit-unsent = Жөнөтүлбөгөн текст бар. Ансыз чыгуу үчүн ^Q'ну дагы басыңыз.
no-unread = Окулбаган кат жок.
text-full = Бир кат мындан узун болбойт. Аны жөнөтүп, анан улантыңыз.
copied = Терминалдын буферине берилди. Ал жерде жок болсо, кол менен белгилеңиз.
added = Кошулду. Азыр эле жазса болот; экинчи тарап жооп бергенде кетет.
door-added = Эшик кошулду. Туташууда.
not-recognised = Бул эшик да, чакыруу да эмес. Бүт сапты кайра көчүрүңүз.

# Тизме жана баарлашуу
list-empty = Азырынча эч ким жок. ^N: чакыруу коюу, ^Y: өзүңүздүкүн көрсөтүү.
chat-none = Баарлашууну тандаңыз же табуу үчүн ^K басыңыз.
chat-loading = Окулууда…
chat-empty = Азырынча кат жок. Жазганыңыз түзмөктөн чыкканга чейин мөөрлөнөт.
verified = текшерилген
meeting-looking-up = чакыруу изделүүдө
meeting-greeting = биринчи жооп күтүлүүдө
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
add-line = Чакырууну (KARVON:…) же эшиктин сабын (KARVON-DOOR:…) коюңуз
add-name = Бул адамга башка ат кааласаңыз, ушул жерге жазыңыз
add-help =
    Чакыруу бир жолу, бир киши үчүн иштейт. Аны окуган киши колдоно алат:
    жөнөткөндөн көрө бетме-бет көрсөткөн жакшы. Эшик: бул түзмөк тармакка
    чыга турган дарек.
add-busy = Кошулууда…
add-empty = Адегенде сапты коюңуз.

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

# Кат
info-title = Кат
info-from = Кимден: { $name }
info-written = Жазылган: { $date }
info-arrived = Бул түзмөккө келген: { $date }
info-waiting = Жолу окулууда…
info-way = Каттын жолу
trail-queued = бул түзмөктүн дискине жазылды
trail-sent = { $relay } түйүнүнө берилди
trail-stored = { $relay } түйүнү аны { $date } чейин дискте сактайт
trail-refused = { $relay } түйүнү алган жок ({ $note }); кийинки аракет өзү болот
trail-delivered = экинчи тараптын түзмөгүнүн дискинде
trail-read = экинчи тарап көрдү
trail-other = { $what }

# Жардам
help-title = Жардам
help-everywhere = Бардык жерде
help-chat = Баарлашуу
help-message = Тандалган кат
help-signs = Белгилер
help-find = адам же буйрук табуу
help-unread = кийинки окулбаган баарлашуу
help-add = адам же эшик кошуу
help-invite = чакыруумду көрсөтүү
help-back = артка; эң жогорудан менюга
help-help = ушул жардам
help-quit = чыгуу
help-send = жөнөтүү
help-newline = жаңы сап
help-pane = башка бөлүк
help-scroll = эски жана жаңы каттар
help-erase = сапты өчүрүү
help-select = кат тандоо
help-info = жолу жана абалы
help-copy = текстин көчүрүү
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
wizard-later-note = Karvon колдонгон кишиден чакыруу сураңыз: эшик аны менен кошо келет.
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
error-empty = Жөнөтө турган эч нерсе жок. Адегенде бир нерсе жазыңыз.
error-limit = Чекке жетти. Адегенде бир нерсени өчүрүңүз.
error-no-door = Азырынча тармакка эшик жок. ^N менен кошуңуз.
error-busy = Бош эмес. Бир аздан кийин кайталаңыз.
error-store = Түзмөктүн диски иштебеди. Орун бошотуп же дискти текшерип, кайра баштаңыз.
error-unavailable = Азыр мүмкүн эмес. Кийинчерээк аракет кылыңыз.
error-version = Башка версиядагы түйүн иштеп жатат. Аны токтотуңуз: karvon down
error-bad-request = Түйүн түшүнгөн жок. Karvon'ду жаңыртып, дагы аракет кылыңыз.
