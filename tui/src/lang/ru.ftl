### Русский. `reviewed = yes`, когда файл прочитал носитель языка, который его не писал.
reviewed = no

# Верхняя строка
state-no-door = нет двери
state-connecting = соединяюсь
state-connected = соединено
state-online = в сети
state-gone = узел остановлен
status-queued = в очереди: { $n }
status-one-operator = один оператор видит адрес и время
status-one-operator-short = один оператор

# Строка клавиш: одно-два слова
key-quit = выход
key-next = далее
key-back = назад
key-language = язык
key-glyphs = знаки
key-choose = выбор
key-open = открыть
key-add = добавить
key-field = другое поле
key-copy = копировать
key-copy-id = копировать номер
key-theirs = вставить чужое
key-invert = обратить
key-scroll = листать
key-invite = моё приглашение
key-send = отправить
key-newline = новая строка
key-message = к сообщению
key-find = поиск
key-help = справка
key-unread = непрочитанное
key-search = поиск
key-actions = действия
key-forward = переслать
key-reply = ответить
key-delete = забрать
key-change = изменить
key-again = проверить снова
key-unlock = открыть
key-details = о контакте
key-rename = переименовать
key-save = сохранить

# Команды меню
command-add = Добавить человека или дверь
command-invite = Показать моё приглашение
command-unread = К следующей непрочитанной беседе
command-search = Искать во всех сообщениях
command-start = К началу беседы
command-newest = К самому новому сообщению
command-details = Об этом контакте: ключи, имя
command-editor = Писать в редакторе ($EDITOR)
command-settings = Настройки: язык, вид, уведомления
command-doctor = Доктор: почему нет связи?
command-help = Справка: клавиши и знаки
command-back = Назад к беседам
command-quit = Выйти из Karvon

# Сообщения программы
node-gone = Узел остановился. Сообщения на устройстве целы. Запустите Karvon снова.
quit-unsent = Есть неотправленный текст. Нажмите ^Q ещё раз, чтобы выйти без него.
no-unread = Непрочитанного нет.
text-full = Длиннее одно сообщение быть не может. Отправьте его и продолжайте.
copied = Передано в буфер терминала. Если там пусто, выделите вручную.
added = Добавлено. Писать можно сразу; уйдёт, когда другая сторона ответит.
door-added = Дверь добавлена. Соединяюсь.
not-recognised = Это не дверь и не приглашение. Скопируйте строку целиком ещё раз.
forwarded = Переслано: { $name }.
renamed = Имя изменено на этом устройстве.
editor-failed =
    Редактор не запустился. Укажите в $EDITOR тот, что у вас есть, например
    nano.
alert-from = { $name }: { $new }

# Список и беседа
list-empty = Здесь пока никого. ^N: вставить приглашение, ^Y: показать своё.
chat-none = Выберите беседу или нажмите ^K, чтобы найти её.
chat-loading = Читаю…
chat-empty = Сообщений пока нет. Написанное запечатывается до отправки с устройства.
verified = проверен
meeting-looking-up = ищу приглашение
meeting-greeting = жду первого ответа
meeting-failed = задержано
new-messages =
    { $n ->
        [one] { $n } новое
        [few] { $n } новых
       *[many] { $n } новых
    }
newer-below = ниже есть новее: PgDn
waiting = записываю на диск: { $n }
unknown-kind = [вид сообщения, неизвестный этой версии]
date-line = { $weekday }, { $day } { $month } { $year }
date = { $day } { $month } { $year }
weekday-1 = понедельник
weekday-2 = вторник
weekday-3 = среда
weekday-4 = четверг
weekday-5 = пятница
weekday-6 = суббота
weekday-7 = воскресенье
month-1 = января
month-2 = февраля
month-3 = марта
month-4 = апреля
month-5 = мая
month-6 = июня
month-7 = июля
month-8 = августа
month-9 = сентября
month-10 = октября
month-11 = ноября
month-12 = декабря

# Добавить
add-title = Добавить человека или дверь
add-line = Вставьте приглашение (KARVON:…) или строку двери (KARVON-DOOR:…)
add-name = Имя для этого человека, если нужно другое
add-help =
    Приглашение действует один раз, для одного человека. Кто его прочитает,
    тот сможет его использовать: лучше показать при встрече, чем пересылать.
    Дверь: адрес, через который это устройство выходит в сеть.
add-busy = Добавляю…
add-empty = Сначала вставьте строку.

# Своё приглашение
invite-title = Моё приглашение
invite-making = Готовлю приглашение…
invite-once = Для одного человека, до { $date }.
invite-say = Пусть сфотографируют квадрат, или отправьте им эту строку:
invite-say-line = Пусть один человек перепишет эту строку, или отправьте её:
invite-unverified = По пути её могут прочитать: позже сверьте слова по телефону.

# Поиск
find-title = Найти человека или команду
find-none = Ничего не найдено. Сотрите несколько букв.
find-search = Искать в сообщениях: { $text }
search-title = Поиск во всех сообщениях
search-start = Напишите слово. Найдутся и другой алфавит, и буквы без значков.
search-busy = Ищу…
search-none = Сообщений с такими словами нет.
search-more = Есть и ещё: допишите слово, чтобы сузить поиск.
forward-title = Переслать кому
menu-title = Что сделать с сообщением
act-info = Его путь и состояние
act-copy = Копировать текст
act-forward = Переслать текст другому
act-reply = Ответить на него
act-react = Поставить на него знак
act-edit = Изменить его текст
act-delete = Забрать его назад, на обоих устройствах
react-title = Какой знак?
react-none = Убрать мой знак
delete-title = Забрать это сообщение назад?
delete-sure =
    То устройство попросят удалить его тоже. Его уже могли прочесть или
    скопировать.
replying = ответ на: { $text }
editing = правка сообщения; Esc оставит как было
message-deleted = [забрано назад]
message-edited = изменено
message-forwarded = переслано
message-earlier = более раннее сообщение

# Сообщение
info-title = Сообщение
info-from = От: { $name }
info-written = Написано { $date }
info-arrived = Пришло на это устройство { $date }
info-waiting = Читаю его путь…
info-way = Его путь
trail-queued = записано на диск этого устройства
trail-sent = передано узлу { $relay }
trail-stored = узел { $relay } хранит его на диске до { $date }
trail-refused = узел { $relay } не принял ({ $note }); следующая попытка сама
trail-delivered = на диске устройства другой стороны
trail-read = другая сторона увидела
trail-other = { $what }
details-title = О контакте
details-connected = Ключи получены.
details-looking-up = Ищу приглашение. Это может занять часы, если то устройство выключено.
details-greeting = Первое сообщение в пути: оно ждёт то устройство.
details-verified = Вы сверили ключи: это тот самый человек.
details-unverified = Ключи ещё не сверены. Сверьте их, прежде чем писать опасное.
details-key = Отпечаток ключа:
details-name = Новое имя, только на этом устройстве:
settings-title = Настройки
settings-note = Изменения сохраняются сразу.
settings-unsaved = Сохранить не удалось. Действует до выхода.
set-lang = Язык
set-theme = Цвета
set-glyphs = Знаки
set-mouse = Мышь и касания
set-notify = Уведомление
set-bell = Звонок
value-dark = для тёмного экрана
value-light = для светлого экрана
value-mono = без цветов
value-on = включено
value-off = выключено
value-count = только число
value-name = имя и число
doctor-title = Доктор
doctor-words = Словами
doctor-no-door =
    Это устройство не знает ни одной двери в сеть. Попросите у надёжного
    человека дверь или приглашение и нажмите ^N.
doctor-connecting =
    Ни одна дверь не отвечает. Есть ли интернет? Если другие сайты
    открываются, двери не работают или заблокированы: попросите другую.
    Сообщения целы и уйдут сами.
doctor-connected =
    Дверь открыта, но почтовые узлы ещё не ответили. Обычно это секунды.
    Написанное ждёт в сохранности.
doctor-online = Всё работает: написанное уходит сразу, чужое приходит.
doctor-one-operator =
    Все ящики у одного оператора: он видит ваш адрес и когда вы в сети (но
    не текст). Это изменят двери от других людей.
doctor-doors = Двери: открыто { $up } из { $n }
doctor-up = открыта
doctor-down = не отвечает
doctor-mailboxes = Почтовые ящики: отвечает { $up } из { $n }
doctor-waiting = Свои сообщения: { $queued } на устройстве, { $stored } на узлах
doctor-traffic = Трафик с запуска: принято { $in }, отправлено { $out }
lock-title = закрыто
lock-passphrase = Парольная фраза
lock-busy = Проверяю…
lock-note = После ошибки следующая попытка дольше. Ничего не стирается.

# Справка
help-title = Справка
help-everywhere = Везде
help-chat = Беседа
help-message = Выбранное сообщение
help-signs = Знаки
help-find = найти человека или команду
help-unread = следующая непрочитанная беседа
help-find-all = поиск во всех сообщениях
help-settings = настройки
help-doctor = доктор: почему нет связи?
help-add = добавить человека или дверь
help-invite = показать моё приглашение
help-back = назад; с верхнего уровня меню
help-help = эта справка
help-quit = выход
help-send = отправить
help-newline = новая строка
help-pane = другая половина
help-scroll = старые и новые сообщения
help-ends = первое и новейшее сообщение
help-editor = писать в $EDITOR
help-details = об этом контакте
help-erase = стереть строку
help-select = выбрать сообщение
help-info = его путь и состояние
help-copy = копировать его текст
help-forward = переслать его текст
help-reply = ответ, знак, правка, забрать
help-actions = всё, что с ним можно сделать
help-reader =
    С экранным диктором: karvon read --follow печатает строками, karvon send
    пишет.
help-layouts = ^ значит Ctrl. Клавиши работают и в русской раскладке: ^Л то же, что ^K.
sign-queued = на диске этого устройства, будет отправлено; переживёт сбой питания
sign-stored = узлы говорят, что записали его на диск
sign-delivered = на диске устройства другой стороны
sign-read = другая сторона увидела, если разрешает об этом знать
sign-held = задержано по названной причине; сообщение сохранено

# Первый запуск
wizard-title = первый запуск
wizard-step-language = язык
wizard-step-name = имя
wizard-step-lock = замок
wizard-step-connect = связь
language-unreviewed = ещё не прочитано носителем языка
wizard-display = Это должно выглядеть верно, иначе выберите простые знаки (Tab):
wizard-unicode = Юникод
wizard-plain = Простые
wizard-name = Имя, которое видят собеседники (не телефон и не почта)
wizard-name-missing = Напишите имя: подойдёт любое, его можно сменить.
wizard-lock = Чем закрыть данные на этом устройстве?
wizard-lock-passphrase = Моя парольная фраза
wizard-lock-none = Ничем: кто возьмёт устройство, прочитает всё
wizard-passphrase = Фраза, которая открывает это устройство
wizard-passphrase-again = Она же ещё раз
wizard-passphrase-note = Забудете: всё потеряно, сбросить её никто не может. Лучше шесть слов.
wizard-passphrase-short = Слишком коротко: не меньше 8 знаков, лучше шесть слов.
wizard-passphrase-differs = Фразы различаются. Введите вторую ещё раз.
wizard-connect = Как вы соединитесь?
wizard-paste = Вставить дверь или приглашение
wizard-demo = Демо: попробовать всё одному, без сети
wizard-later = Позже: у меня пока ничего нет
wizard-later-note =
    Дверь: адрес узла добровольца. Она приходит с приглашением от того, кто
    пользуется Karvon, или строкой от того, кто держит узел. Пока можно
    осмотреться, ничего не пропадёт.
wizard-unaudited = Karvon: опытная программа, не прошедшая аудит.

too-small = Увеличьте окно или выполните: karvon read

# Ошибки: что случилось и что сделать
error-unknown = Не получилось ({ $code }). Попробуйте ещё раз.
error-invite-damaged = Приглашение повреждено. Сверьте его с образцом буква за буквой.
error-invite-newer = Приглашение сделано более новым Karvon. Сначала обновите этот.
error-invite-used =
    Это приглашение уже использовано. Если не вами, попросите новое
    и предупредите друга.
error-invite-expired = Приглашение устарело. Попросите новое.
error-invite-own = Это ваше приглашение. Отдайте его тому, с кем хотите говорить.
error-door-damaged = Строка двери повреждена. Скопируйте её снова, от KARVON-DOOR: до конца.
error-no-such-contact = Такого имени среди контактов нет. Выберите из списка.
error-ambiguous = Подходит несколько контактов. Напишите имя полнее.
error-no-such-message = Этого сообщения здесь уже нет. Вернитесь и выберите другое.
error-too-long = Текст слишком длинный для одного сообщения. Отправьте его частями.
error-not-yours = Изменить или забрать сообщение может только автор.
error-unchangeable = В этом сообщении нет текста, который можно изменить или переслать.
error-empty = Отправлять нечего. Сначала напишите что-нибудь.
error-limit = Достигнут предел. Сначала удалите что-нибудь.
error-no-door = Двери в сеть пока нет. Добавьте её: ^N.
error-busy = Занято. Повторите через мгновение.
error-store = Сбой диска. Освободите место или проверьте диск и запустите снова.
error-locked = Профиль закрыт. Откройте его парольной фразой.
error-wrong-passphrase = Фраза неверна. Проверьте раскладку и введите её снова.
error-unavailable = Сейчас это невозможно. Попробуйте позже.
error-version = Запущен узел другой версии. Остановите его: karvon down
error-bad-request = Узел не понял. Обновите Karvon и попробуйте снова.
