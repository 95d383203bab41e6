### Ўзбекча. `reviewed = yes`, файлни уни ёзмаган, шу тилда сўзлашувчи киши ўқиганда.
reviewed = no

# Юқори сатр
state-no-door = эшик йўқ
state-connecting = уланмоқда
state-connected = уланди
state-online = тармоқда
state-gone = тугун тўхтади
state-store = диск ишламаяпти
status-queued = навбатда: { $n }
status-one-operator = битта оператор манзил ва вақтни кўради
status-one-operator-short = битта оператор

# Тугмалар сатри: бир-икки сўз
key-quit = чиқиш
key-next = кейинги
key-back = орқага
key-language = тил
key-glyphs = белгилар
key-choose = танлаш
key-open = очиш
key-add = қўшиш
key-field = бошқа майдон
key-copy = нусхалаш
key-copy-id = рақамдан нусха
key-theirs = бошқаникини қўйиш
key-invert = тескари
key-scroll = варақлаш
key-invite = таклифномам
key-send = юбориш
key-newline = янги сатр
key-message = хабар танлаш
key-find = қидирув
key-help = ёрдам
key-unread = ўқилмаганлар
key-search = қидириш
key-actions = амаллар
key-forward = узатиш
key-reply = жавоб
key-delete = қайтариб олиш
key-change = ўзгартириш
key-again = яна текшириш
key-unlock = очиш
key-details = контакт ҳақида
key-rename = номини ўзгартириш
key-save = сақлаш

# Меню буйруқлари
command-add = Одам ёки эшик қўшиш
command-invite = Таклифномамни кўрсатиш
command-unread = Кейинги ўқилмаган суҳбатга ўтиш
command-search = Ҳамма хабарлардан қидириш
command-start = Суҳбат бошига
command-newest = Энг янги хабарга
command-details = Бу контакт ҳақида: калитлар, исм
command-editor = Муҳаррирда ёзиш ($EDITOR)
command-settings = Созламалар: тил, кўриниш, билдиришлар
command-doctor = Tabиб: нега уланмаяпти?
command-help = Ёрдам: тугмалар ва белгилар
command-back = Суҳбатларга қайтиш
command-quit = Карвондан чиқиш

# Билдиришлар
node-gone = Тугун тўхтади. Қурилмадаги хабарлар омон. Карвонни қайта ишга туширинг.
quit-unsent = Юборилмаган матн бор. Усиз чиқиш учун ^Q ни яна босинг.
no-unread = Ўқилмаган хабар йўқ.
text-full = Битта хабар бундан узун бўлмайди. Уни юборинг, кейин давом этинг.
copied = Терминал буферига берилди. У ерда бўлмаса, қўлда белгиланг.
added = Қўшилди. Ҳозироқ ёзса бўлади; нариги томон жавоб бергач кетади.
door-added = Эшик қўшилди. Уланмоқда.
not-recognised = Бу на эшик, на таклифнома. Бутун сатрдан қайта нусха олинг.
forwarded = Узатилди: { $name }.
renamed = Исм шу қурилмада ўзгарди.
editor-failed =
    Муҳаррир ишламади. $EDITOR да ўзингиздаги муҳаррирни кўрсатинг,
    масалан nano.
alert-from = { $name }: { $new }

# Рўйхат ва суҳбат
list-empty = Ҳозирча ҳеч ким йўқ. ^N: таклифнома қўйиш, ^Y: ўзингизникини кўрсатиш.
chat-none = Суҳбатни танланг ёки топиш учун ^K ни босинг.
chat-loading = Ўқилмоқда…
chat-empty = Ҳали хабар йўқ. Ёзганингиз қурилмадан чиқишидан олдин муҳрланади.
verified = текширилган
meeting-looking-up = таклифнома қидирилмоқда
meeting-greeting = биринчи жавоб кутилмоқда
meeting-failed = ушлаб турилибди
new-messages =
    { $n ->
        [one] { $n } та янги
       *[other] { $n } та янги
    }
newer-below = пастда янгироқлари бор: PgDn
waiting = дискка ёзилмоқда: { $n }
unknown-kind = [бу нусха танимайдиган хабар тури]
date-line = { $weekday }, { $year }-йил { $day }-{ $month }
date = { $year }-йил { $day }-{ $month }
weekday-1 = душанба
weekday-2 = сешанба
weekday-3 = чоршанба
weekday-4 = пайшанба
weekday-5 = жума
weekday-6 = шанба
weekday-7 = якшанба
month-1 = январь
month-2 = февраль
month-3 = март
month-4 = апрель
month-5 = май
month-6 = июнь
month-7 = июль
month-8 = август
month-9 = сентябрь
month-10 = октябрь
month-11 = ноябрь
month-12 = декабрь

# Қўшиш
add-title = Одам ёки эшик қўшиш
add-line = Таклифнома (KARVON:…) ёки эшик сатрини (KARVON-DOOR:…) қўйинг
add-name = Бу одамга бошқа исм бермоқчи бўлсангиз, шу ерга ёзинг
add-help =
    Таклифнома бир марта, бир киши учун ишлайди. Уни ўқиган киши ишлата
    олади: юборгандан кўра юзма-юз кўрсатган яхши. Эшик: бу қурилма
    тармоққа чиқадиган манзил.
add-busy = Қўшилмоқда…
add-empty = Аввал сатрни қўйинг.

# Ўз таклифномаси
invite-title = Таклифномам
invite-making = Таклифнома тайёрланмоқда…
invite-once = Бир киши учун, { $date } гача.
invite-say = Квадратни суратга олишсин ёки уларга шу сатрни юборинг:
invite-say-line = Бир киши шу сатрни кўчириб олсин ёки унга юборинг:
invite-unverified = Йўлда ўқиб қўйишлари мумкин: кейин сўзларни телефонда солиштиринг.

# Қидирув
find-title = Одам ёки буйруқни топиш
find-none = Ҳеч нарса топилмади. Бир неча ҳарфни ўчиринг.
find-search = Хабарлардан қидириш: { $text }
search-title = Ҳамма хабарлардан қидириш
search-start = Сўз ёзинг. Бошқа алифбода ва белгисиз ёзилгани ҳам топилади.
search-busy = Қидирилмоқда…
search-none = Бундай сўзли хабар йўқ.
search-more = Яна бор: қидирувни торайтириш учун яна сўз ёзинг.
forward-title = Кимга узатилади
menu-title = Бу хабар билан нима қилинади
act-info = Йўли ва ҳолати
act-copy = Матнидан нусха олиш
act-forward = Матнини бошқа кишига узатиш
act-reply = Унга жавоб бериш
act-react = Унга белги қўйиш
act-edit = Матнини ўзгартириш
act-delete = Уни иккала қурилмада қайтариб олиш
react-title = Қайси белги?
react-none = Белгимни олиб ташлаш
delete-title = Бу хабар қайтариб олинсинми?
delete-sure =
    Нариги қурилмадан ҳам ўчириш сўралади. Уни аллақачон ўқиган
    бўлишлари мумкин.
replying = жавоб: { $text }
editing = хабар ўзгартирилмоқда; Эсc аввалгича қолдиради
message-deleted = [қайтариб олинди]
message-edited = ўзгартирилган
message-forwarded = узатилган
message-earlier = олдинги хабар

# Хабар
info-title = Хабар
info-from = Кимдан: { $name }
info-written = Ёзилган: { $date }
info-arrived = Бу қурилмага келган: { $date }
info-waiting = Йўли ўқилмоқда…
info-way = Хабар йўли
trail-queued = бу қурилма дискига ёзилди
trail-sent = { $relay } тугунига берилди
trail-stored = { $relay } тугуни уни { $date } гача дискда сақлайди
trail-refused = { $relay } тугуни олмади ({ $note }); кейинги уриниш ўзи бўлади
trail-delivered = нариги томон қурилмаси дискида
trail-read = нариги томон кўрди
trail-other = { $what }
details-title = Контакт ҳақида
details-connected = Калитлар алмашилган.
details-looking-up =
    Таклифнома қидирилмоқда. Нариги қурилма ўчиқ бўлса, соатлаб
    чўзилиши мумкин.
details-greeting = Биринчи хабар йўлда: у нариги қурилмани кутмоқда.
details-verified = Калитларни солиштиргансиз: бу айнан шу киши.
details-unverified = Калитлар ҳали солиштирилмаган. Хавфли нарса ёзишдан олдин солиштиринг.
details-key = Калитининг изи:
details-name = Янги исм, фақат шу қурилмада:
settings-title = Созламалар
settings-note = Ўзгариш дарҳол сақланади.
settings-unsaved = Сақлаб бўлмади. Чиққунингизча амал қилади.
set-lang = Тил
set-theme = Ранглар
set-glyphs = Белгилар
set-mouse = Сичқонча ва босиш
set-notify = Билдириш
set-bell = Қўнғироқ
value-dark = қоронғи экран учун
value-light = ёруғ экран учун
value-mono = рангсиз
value-on = ёқилган
value-off = ўчирилган
value-count = фақат сони
value-name = исм ва сони
doctor-title = Tabиб
doctor-words = Сўз билан
doctor-no-door =
    Бу қурилма тармоққа бирорта эшикни билмайди. Ишончли кишидан эшик
    ёки таклифнома сўранг ва ^N ни босинг.
doctor-connecting =
    Бирорта эшик жавоб бермаяпти. Интернет борми? Бошқа сайтлар очилса,
    эшиклар ишламаяпти ёки тўсилган: бошқасини сўранг. Хабарлар омон
    ва ўзи кетади.
doctor-connected =
    Эшик очиқ, лекин почта қутилари ҳали жавоб бермади. Одатда бу бир
    неча сония. Ёзганларингиз омон.
doctor-online = Ҳаммаси ишлаяпти: ёзганингиз дарҳол кетади, бошқаларники келади.
doctor-one-operator =
    Ҳамма қутилар битта операторники: у манзилингизни ва қачон
    тармоқдалигингизни кўради (матнни эмас). Бошқа одамлардан эшик олинг.
doctor-doors = Эшиклар: { $n } тадан { $up } таси очиқ
doctor-up = очиқ
doctor-down = жавоб бермаяпти
doctor-mailboxes = Почта қутилари: { $n } тадан { $up } таси жавоб беради
doctor-waiting = Ўз хабарлари: { $queued } қурилмада, { $stored } тугунларда
doctor-traffic = Бошлангандан бери: { $in } қабул қилинди, { $out } юборилди
lock-title = қулфланган
lock-passphrase = Махфий ибора
lock-busy = Текширилмоқда…
lock-note = Хатодан кейин кейинги уриниш узоқроқ бўлади. Ҳеч нарса ўчирилмайди.

# Ёрдам
help-title = Ёрдам
help-everywhere = Ҳамма жойда
help-chat = Суҳбат
help-message = Танланган хабар
help-signs = Белгилар
help-find = одам ёки буйруқни топиш
help-unread = кейинги ўқилмаган суҳбат
help-find-all = ҳамма хабарлардан қидириш
help-settings = созламалар
help-doctor = табиб: нега уланмаяпти?
help-add = одам ёки эшик қўшиш
help-invite = таклифномамни кўрсатиш
help-back = орқага; энг юқоридан менюга
help-help = шу ёрдам
help-quit = чиқиш
help-send = юбориш
help-newline = янги сатр
help-pane = бошқа бўлак
help-scroll = эски ва янги хабарлар
help-ends = биринчи ва энг янги хабар
help-editor = $EDITOR да ёзиш
help-details = бу контакт ҳақида
help-erase = сатрни ўчириш
help-select = хабар танлаш
help-info = йўли ва ҳолати
help-copy = матнидан нусха олиш
help-forward = матнини узатиш
help-reply = жавоб, белги, ўзгартириш, қайтариш
help-actions = у билан қилса бўладиган ҳамма иш
help-reader =
    Экран ўқувчи билан: karvon read --follow сатрма-сатр чиқаради, karvon
    send ёзади.
help-layouts = ^ бу Ctrl. Тугмалар кирилл ёзувида ҳам ишлайди: ^Л бу ^K.
sign-queued = бу қурилма дискида, юборилади; ток ўчса ҳам йўқолмайди
sign-stored = тугунлар уни дискка ёздик дейишди
sign-delivered = нариги томон қурилмаси дискида
sign-read = нариги томон кўрди, агар билишингизга рухсат берса
sign-held = айтилган сабаб билан ушлаб турилибди; хабар сақланган

# Биринчи ишга тушириш
wizard-title = биринчи ишга тушириш
wizard-step-language = тил
wizard-step-name = исм
wizard-step-lock = қулф
wizard-step-connect = уланиш
language-unreviewed = ҳали сўзлашувчиси ўқимаган
wizard-display = Булар тўғри кўриниши керак, акс ҳолда оддий белгиларни олинг (Tab):
wizard-unicode = Unicode
wizard-plain = Оддий
wizard-name = Суҳбатдошлар кўрадиган исм (телефон ҳам, почта ҳам эмас)
wizard-name-missing = Исм ёзинг: исталгани бўлади, кейин алмаштирса бўлади.
wizard-lock = Бу қурилмадаги маълумот нима билан қулфланади?
wizard-lock-passphrase = Махфий иборам
wizard-lock-none = Қулфсиз: қурилмани олган киши ҳаммасини ўқийди
wizard-passphrase = Бу қурилмани очадиган ибора
wizard-passphrase-again = Худди шуни яна бир марта
wizard-passphrase-note = Унутсангиз, ҳаммаси йўқолади: ҳеч ким тиклай олмайди. Олти сўз яхши.
wizard-passphrase-short = Жуда қисқа: камида 8 белги, олти сўз яхшироқ.
wizard-passphrase-differs = Иборалар бир хил эмас. Иккинчисини қайта ёзинг.
wizard-connect = Қандай уланасиз?
wizard-paste = Эшик ёки таклифнома қўйиш
wizard-demo = Намойиш: ҳаммасини ёлғиз, тармоқсиз синаб кўриш
wizard-later = Кейинроқ: ҳозирча иккаласи ҳам йўқ
wizard-later-note =
    Эшик: кўнгиллининг тугуни манзили. У Karvon ишлатадиган кишининг
    таклифномаси билан ёки тугун эгасидан сатр бўлиб келади. Унгача
    кўриб туринг, ҳеч нарса йўқолмайди.
wizard-unaudited = Karvon синов босқичида ва аудитдан ўтмаган.

too-small = Ойнани катталаштиринг ёки буни ишлатинг: karvon read

# Хатолар: нима бўлди ва нима қилиш керак
error-unknown = Бўлмади ({ $code }). Яна уриниб кўринг.
error-invite-damaged = Таклифнома бузилган. Уни асли билан ҳарфма-ҳарф солиштиринг.
error-invite-newer = Таклифнома янгироқ Карвонда ясалган. Аввал буни янгиланг.
error-invite-used =
    Бу таклифнома аллақачон ишлатилган. Сиз ишлатмаган бўлсангиз,
    янгисини сўранг ва дўстингизга айтинг.
error-invite-expired = Бу таклифнома эскирган. Янгисини сўранг.
error-invite-own = Бу ўзингизнинг таклифномангиз. Уни суҳбатлашмоқчи бўлган кишига беринг.
error-door-damaged = Эшик сатри бузилган. KARVON-DOOR: дан охиригача қайта нусхаланг.
error-no-such-contact = Контактларда бундай исм йўқ. Рўйхатдан танланг.
error-ambiguous = Бир нечта контакт мос келди. Исмни тўлиқроқ ёзинг.
error-no-such-message = Бу хабар энди бу ерда йўқ. Орқага қайтинг ва бошқасини танланг.
error-too-long = Матн битта хабар учун узун. Уни бўлиб-бўлиб юборинг.
error-not-yours = Хабарни фақат муаллифи ўзгартира ёки қайтариб ола олади.
error-unchangeable = Бу хабарда ўзгартириладиган ёки узатиладиган матн йўқ.
error-empty = Юборадиган нарса йўқ. Аввал бирор нарса ёзинг.
error-limit = Чегарага етилди. Аввал ниманидир ўчиринг.
error-no-door = Ҳозирча тармоққа эшик йўқ. ^N билан қўшинг.
error-busy = Банд. Бироздан кейин қайтаринг.
error-store = Қурилма диски ишламади. Жой бўшатинг ёки дискни текшириб, қайта бошланг.
error-locked = Профил қулфланган. Уни махфий ибора билан очинг.
error-wrong-passphrase = Ибора нотўғри. Клавиатура тилини текшириб, қайта ёзинг.
error-unavailable = Ҳозир бунинг иложи йўқ. Кейинроқ уриниб кўринг.
error-version = Бошқа нусхадаги тугун ишлаб турибди. Уни тўхтатинг: karvon down
error-bad-request = Тугун тушунмади. Карвонни янгилаб, яна уриниб кўринг.
