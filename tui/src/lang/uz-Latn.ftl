### O‘zbekcha. `reviewed = yes`, faylni uni yozmagan, shu tilda so‘zlashuvchi kishi o‘qiganda.
reviewed = no

# Yuqori satr
state-no-door = eshik yo‘q
state-connecting = ulanmoqda
state-connected = ulandi
state-online = tarmoqda
state-gone = tugun to‘xtadi
state-locked = qulflangan
state-store = disk ishlamayapti
status-queued = navbatda: { $n }
status-near = yonda: { $n }
status-data = trafik { $percent } %
status-one-operator = bitta operator manzil va vaqtni ko‘radi
status-one-operator-short = bitta operator

# Tugmalar satri: bir-ikki so‘z
key-quit = chiqish
key-next = keyingi
key-back = orqaga
key-language = til
key-glyphs = belgilar
key-choose = tanlash
key-open = ochish
key-add = qo‘shish
key-field = boshqa maydon
key-copy = nusxalash
key-copy-id = raqamdan nusxa
key-theirs = boshqanikini qo‘yish
key-invert = teskari
key-scroll = varaqlash
key-invite = taklifnomam
key-send = yuborish
key-newline = yangi satr
key-message = xabar tanlash
key-find = qidiruv
key-help = yordam
key-unread = o‘qilmaganlar
key-search = qidirish
key-actions = amallar
key-forward = uzatish
key-reply = javob
key-delete = qaytarib olish
key-wipe = o‘chirish
key-change = o‘zgartirish
key-again = yana tekshirish
key-unlock = ochish
key-details = kontakt haqida
key-rename = nomini o‘zgartirish
key-square = kvadrat
key-line = satr qilib
key-same = bir xil
key-file = fayl
key-report = hisobot
key-save = saqlash
key-accept = qabul
key-decline = rad
key-new = yangi
key-end = yopish
key-block = to‘sish
key-about = ma’lumot
key-pick = belgilash
key-ready = tayyor
key-leave = chiqish
key-remove = chiqarish

# Menyu buyruqlari
command-add = Odam, eshik yoki kanal qo‘shish
command-invite = Taklifnomamni ko‘rsatish
command-unread = Keyingi o‘qilmagan suhbatga o‘tish
command-requests = Notanishlarning so‘rovlari
command-address = Ochiq manzil
command-wifi = O‘sha Wi-Fi
command-group = Guruh tuzish
command-channel = Kanal ochish
command-search = Hamma xabarlardan qidirish
command-start = Suhbat boshiga
command-newest = Eng yangi xabarga
command-details = Bu kontakt, guruh yoki kanal haqida
command-file = Fayl yuborish (45 kB gacha)
command-lock = Hozir qulflash
command-wipe = Hammasini bu qurilmadan o‘chirib tashlash
command-editor = Muharrirda yozish ($EDITOR)
command-settings = Sozlamalar: til, ko‘rinish, bildirishlar
command-doctor = Tabib: nega ulanmayapti?
command-help = Yordam: tugmalar va belgilar
command-back = Suhbatlarga qaytish
command-quit = Karvondan chiqish

# Bildirishlar
node-gone = Tugun to‘xtadi. Qurilmadagi xabarlar omon. Karvonni qayta ishga tushiring.
starting = Karvon ishga tushmoqda…
quit-unsent = Yuborilmagan matn bor. Usiz chiqish uchun ^Q ni yana bosing.
no-unread = O‘qilmagan xabar yo‘q.
text-full = Bitta xabar bundan uzun bo‘lmaydi. Uni yuboring, keyin davom eting.
copied = Terminal buferiga berildi. U yerda bo‘lmasa, qo‘lda belgilang.
added = Qo‘shildi. Hoziroq yozsa bo‘ladi; narigi tomon javob bergach ketadi.
door-added = Eshik qo‘shildi. Ulanmoqda.
not-recognised = Bu na eshik, na taklifnoma. Butun satrdan qayta nusxa oling.
forwarded = Uzatildi: { $name }.
renamed = Ism shu qurilmada o‘zgardi.
changed = Bajarildi.
saved = Saqlandi: { $path }. Faqat kutganingizni oching.
editor-failed =
    Muharrir ishlamadi. $EDITOR da o‘zingizdagi muharrirni ko‘rsating,
    masalan nano.
alert-from = { $name }: { $new }

# Ro‘yxat va suhbat
list-empty = Hozircha hech kim yo‘q. ^N: taklifnoma qo‘yish, ^Y: o‘zingiznikini ko‘rsatish.
list-no-door =
    Hali tarmoqqa eshik yo‘q, shuning uchun hech kimga yetib bo‘lmaydi.
    Eshikni siz ishongan odam beradi: taklifnoma bilan (surat yoki satr) yoki
    retranslyator yuritadigan kishining satri sifatida. Ochiq ro‘yxat yo‘q: u
    birinchi bo‘lib to‘silgan bo‘lardi.
    ^N: berilganini qo‘yish. Hech kim bo‘lmasa: karvon demo ni ishga tushiring.
chat-none = Suhbatni tanlang yoki topish uchun ^K ni bosing.
chat-loading = O‘qilmoqda…
chat-empty = Hali xabar yo‘q. Yozganingiz qurilmadan chiqishidan oldin muhrlanadi.
verified = tekshirilgan
meeting-looking-up = taklifnoma qidirilmoqda
meeting-greeting = birinchi javob kutilmoqda
meeting-asking = rele qabul qilishi uchun qurilma ishlamoqda
meeting-waiting = so‘rov yuborildi; javob kutilmoqda
meeting-failed = ushlab turilibdi
new-messages =
    { $n ->
        [one] { $n } ta yangi
       *[other] { $n } ta yangi
    }
newer-below = pastda yangiroqlari bor: PgDn
waiting = diskka yozilmoqda: { $n }
unknown-kind = [bu nusxa tanimaydigan xabar turi]
date-line = { $weekday }, { $year }-yil { $day }-{ $month }
date = { $year }-yil { $day }-{ $month }
weekday-1 = dushanba
weekday-2 = seshanba
weekday-3 = chorshanba
weekday-4 = payshanba
weekday-5 = juma
weekday-6 = shanba
weekday-7 = yakshanba
month-1 = yanvar
month-2 = fevral
month-3 = mart
month-4 = aprel
month-5 = may
month-6 = iyun
month-7 = iyul
month-8 = avgust
month-9 = sentabr
month-10 = oktabr
month-11 = noyabr
month-12 = dekabr

# Qo‘shish
add-title = Odam yoki eshik qo‘shish
add-line = Taklifnoma (KARVON:…), eshik (KARVON-DOOR:…) yoki havolani qo‘ying
add-name = Bu odamga boshqa ism bermoqchi bo‘lsangiz, shu yerga yozing
add-help =
    Taklifnoma bir marta, bir kishi uchun ishlaydi. Uni o‘qigan kishi ishlata
    oladi: yuborgandan ko‘ra yuzma-yuz ko‘rsatgan yaxshi. Eshik: bu qurilma
    tarmoqqa chiqadigan manzil.
add-busy = Qo‘shilmoqda…
add-empty = Avval satrni qo‘ying.

# Groups
role-member = a’zo
role-admin = mudir
role-owner = ega
group-title = Guruh
group-members =
    { $n ->
        [one] { $n } ta a’zo
       *[other] { $n } ta a’zo
    }
group-you = siz: { $role }
group-joining = Siz rozi bo‘ldingiz. Endi ularning qurilmasi sizni qabul qilishi kerak.
group-out = Siz endi bu guruhda emassiz.
group-deaf = Bir a’zoning kaliti bu yerda o‘qilmaydi: xabar kech, boshqalardan keladi.
group-founded = Guruh tuzildi. Taklifni qabul qilgan kishi guruhda bo‘ladi.
group-joined = Qabul qilindi. Ularning qurilmasi sizni olganda guruh ochiladi.
group-asked-in = So‘raldi. Ularning qurilmasi sizni olganda guruh ochiladi.
group-invited = Sizni guruhga taklif qilishmoqda: ^K, Notanishlarning so‘rovlari.
group-asked = Taklif qilindi. Rozi bo‘lgan kishi guruhda bo‘ladi.
group-name-missing = Avval guruh nomini yozing.
group-nobody-picked = Avval bo‘sh joy tugmasi yoki bosish bilan birovni belgilang.
group-delivered = { $of } tadan { $n } tasiga yetdi
group-add = Odamlarni taklif qilish
group-link = Ro‘yxatingizda yo‘q odam uchun havola
group-link-title = Guruh havolasi
group-say-note = Bir odamni kiritadi va sizni tanishtiradi.
group-rename = Nomini o‘zgartirish
group-timer-note =
    Shu paytdan, guruhdagi hamma uchun; hammaga xabar beriladi. Kimdir saqlab
    olgani yo‘qolmaydi.
group-mute = Ovozsiz: bu yerda hech narsa jiringlamaydi
group-leave = Guruhdan chiqish
group-new-name = Yangi nom, hamma a’zolar uchun:
group-leave-sure =
    { $name } guruhidan chiqasizmi? Uni endi o‘qimaysiz, sizni faqat mudir
    qaytara oladi. Enter: chiqish, Esc: qolish.
group-remove-sure =
    { $name } guruhdan chiqarilsinmi? Bundan keyin yozilganini o‘qiy
    olmaydi. Enter: chiqarish, Esc: yo‘q.
group-role-sure =
    { $name } uchun yangi rol: { $role }. Mudirlar taklif qiladi va
    chiqaradi, egalar rol beradi. Enter: ha, Esc: yo‘q.
group-invites = { $name } sizni { $group } guruhiga taklif qilmoqda ({ $n })
group-invites-note = a: qabul, d: rad. A’zolar hammaning ismini ko‘radi, notanishlarnikini ham.
act-role-admin = Mudir qilish
act-role-member = Oddiy a’zo qilish
act-role-owner = Ega qilish
act-remove = Guruhdan chiqarish
member-me = siz
member-unconfirmed = tasdiqlanmagan, qo‘shgan: { $name }
member-forked = bitta raqamda ikki xabar
member-nothing = Bu yerda qiladigan ish yo‘q: bu siz, yoki rolingiz ruxsat bermaydi.
gather-title = Guruh tuzish
gather-add-title = Guruhga taklif qilish
gather-name = Guruh nomi
gather-people = Kim taklif qilinsin? Bo‘sh joy tugmasi belgilaydi.
gather-nobody =
    Taklif qiladigan odam yo‘q: faqat javob bergan va guruhda bo‘lmagan
    kontaktlar.

# Channels
channel-title = Kanal
channel-new-title = Kanal ochish
channel-link-title = Kanal havolasi
channel-unnamed = (hali yozuv yo‘q)
channel-read-only = faqat o‘qish: egasi yozadi
channel-mine = sizning kanalingiz
channel-name = Kanal nomi
channel-name-missing = Avval kanal nomini yozing.
channel-new-note =
    Faqat siz yozasiz, havolasi bor har kim o‘qiydi. Kaliti faqat shu
    qurilmada va zaxira nusxalaringizda.
channel-founded = Kanal ochildi. ^D o‘quvchilar uchun havolasini ko‘rsatadi.
channel-followed = Kuzatilmoqda. Yozuvlar tugun javob berganda keladi.
channel-asking = Tugundan eskiroq yozuvlar so‘ralmoqda…
channel-no-older = Hech bir tugunda eskiroq yozuv yo‘q.
channel-link = Havolasini ko‘rsatish
channel-older = Eskiroq yozuvlarni so‘rash
channel-leave = Endi o‘qimaslik
channel-leave-own = Kanaldan butunlay voz kechish
channel-leave-sure =
    { $name } endi o‘qilmasinmi? Yozuvlari bu qurilmadan o‘chadi. Enter: ha,
    Esc: yo‘q.
channel-leave-own-sure =
    { $name } kanalidan butunlay voz kechasizmi? Kaliti yo‘q qilinadi, unga
    hech kim yoza olmaydi. Enter: ha, Esc: yo‘q.
channel-say-line = Bu satrni o‘qishi mumkin bo‘lganlarga yuboring:
channel-say-note = Bu satr kimda bo‘lsa, hammasini o‘qiy oladi va boshqaga bera oladi.
channel-entries = Bu qurilmadagi yozuvlar: { $n }
channel-under-way = hali tugunlarda emas: { $n }
channel-missing = Yetishmayotgan yozuvlar: { $n }
channel-forked = Ehtiyot bo‘ling: egasi har xil odamga har xil gap aytgan.
channel-withheld = Yozuvlarni yashirgan tugunlar: { $n }
channel-hidden = Siz o‘qiyotganingizni hech kim bilmaydi; tugun kimdir o‘qiyotganini biladi.

# O‘z taklifnomasi
invite-title = Taklifnomam
invite-making = Taklifnoma tayyorlanmoqda…
invite-once = Bir kishi uchun, { $date } gacha.
invite-say = Kvadratni suratga olishsin yoki ularga shu satrni yuboring:
invite-say-line = Bir kishi shu satrni ko‘chirib olsin yoki unga yuboring:
invite-behind =
    Barcha eshiklaringiz transport ortida, taklifnoma esa ulardan qanday
    o‘tishni aytmaydi: eshik ham bering.
invite-unverified = Yo‘lda o‘qib qo‘yishlari mumkin: keyin so‘zlarni telefonda solishtiring.

# Qidiruv
find-title = Odam yoki buyruqni topish
find-none = Hech narsa topilmadi. Bir necha harfni o‘chiring.
find-search = Xabarlardan qidirish: { $text }
search-title = Hamma xabarlardan qidirish
search-start = So‘z yozing. Boshqa alifboda va belgisiz yozilgani ham topiladi.
search-busy = Qidirilmoqda…
search-none = Bunday so‘zli xabar yo‘q.
search-more = Yana bor: qidiruvni toraytirish uchun yana so‘z yozing.
forward-title = Kimga uzatiladi
menu-title = Bu xabar bilan nima qilinadi
act-info = Yo‘li va holati
act-copy = Matnidan nusxa olish
act-forward = Kishiga yoki guruhga uzatish
act-reply = Unga javob berish
act-react = Unga belgi qo‘yish
act-edit = Matnini o‘zgartirish
act-delete = Uni ikkala qurilmada qaytarib olish
act-save = Faylni saqlash
act-add = Bu odamni qo‘shish
react-title = Qaysi belgi?
react-none = Belgimni olib tashlash
delete-title = Bu xabar qaytarib olinsinmi?
delete-sure =
    Narigi qurilmadan ham o‘chirish so‘raladi. Uni allaqachon o‘qigan
    bo‘lishlari mumkin.
replying = javob: { $text }
editing = xabar o‘zgartirilmoqda; Esc avvalgicha qoldiradi
message-deleted = [qaytarib olindi]
message-edited = o‘zgartirilgan
message-forwarded = uzatilgan
message-copied = { $name } kanalidan, egasi imzolagan
message-copied-unknown = o‘zini { $name } deb ataydigan kanal imzosi (kalit { $key })
message-copied-forged = kanal yozuvi, uni egasi imzolamagan
message-earlier = oldingi xabar
message-file = [fayl] { $name }, { $size }
message-introduces = [{ $name } bilan tanishtiradi: Enter, keyin a, qo‘shadi]
message-timer = shu yerdan xabarlar { $time } dan keyin yo‘qoladi
message-timer-off = shu yerdan xabarlar saqlanadi
message-missing = kelmagan xabarlar: { $n }
typing = yozmoqda…
disappears = { $time } dan keyin yo‘qoladi
blocked = to‘silgan
keys-changed =
    { $name } yangi qurilmada yoki kimdir o‘zini u deb ko‘rsatmoqda.
    Qo‘ng‘iroq qilib, raqamni solishtiring (^D). Ungacha hech narsa
    ketmaydi.
time-minutes = { $n } daqiqa
time-hours = { $n } soat
time-days = { $n } kun

# Xabar
info-title = Xabar
info-from = Kimdan: { $name }
info-written = Yozilgan: { $date }
info-arrived = Bu qurilmaga kelgan: { $date }
info-waiting = Yo‘li o‘qilmoqda…
info-way = Xabar yo‘li
info-group-queued = bu qurilma diskida, a’zolarga yo‘lda
info-group-delivered = kimga yozilgan bo‘lsa, hammasining diskida
info-author-only = Kim olganini faqat muallifi biladi.
info-too-many = Bunday katta guruhda kim olganini hech kim bilmaydi.
trail-queued = bu qurilma diskiga yozildi
trail-sent = { $relay } tuguniga berildi
trail-stored = { $relay } tuguni uni { $date } gacha diskda saqlaydi
trail-near = shu Wi-Fi orqali ularning qurilmasiga berildi
trail-carried = Wi-Fi’dagi qo‘shniga berildi, u keyingisiga eltadi
trail-refused = { $relay } tuguni olmadi ({ $note }); keyingi urinish o‘zi bo‘ladi
trail-delivered = narigi tomon qurilmasi diskida
trail-read = narigi tomon ko‘rdi
trail-other = { $what }
details-title = Kontakt haqida
details-connected = Kalitlar almashilgan.
details-looking-up =
    Taklifnoma qidirilmoqda. Narigi qurilma o‘chiq bo‘lsa, soatlab
    cho‘zilishi mumkin.
details-greeting = Birinchi xabar yo‘lda: u narigi qurilmani kutmoqda.
details-asking = Rele so‘rovni qabul qilishidan oldin qurilma biroz ishlashi kerak.
details-waiting = So‘rov relelarda. Uni ko‘rishganmi, hech kim aytmaydi.
details-verified = Kalitlarni solishtirgansiz: bu aynan shu kishi.
details-unverified = Kalitlar hali solishtirilmagan. Xavfli narsa yozishdan oldin solishtiring.
details-key = Kalitining izi:
details-number =
    Xavfsizlik raqami: ikkala qurilmada bir xil. Yuzma-yuz yoki telefonda
    solishtiring.
details-rename = Shu qurilmadagi ism
details-same = Solishtirildi: raqam bir xil
details-receipts = Nimani o‘qiganimni ko‘radi
details-typing = Yozayotganimni ko‘radi
details-timer = Xabarlar yo‘qoladi
details-never = hech qachon
details-block = To‘silgan: hech narsa kelmaydi
details-timer-note =
    Shu paytdan, ikkalangiz uchun; unga xabar beriladi. U saqlab olgani
    yo‘qolmaydi.
compare-how =
    { $name } bilan uchrashing yoki qo‘ng‘iroq qiling: uning ekranida shu
    raqam turishi kerak.
compare-then =
    Har bir raqam bir xilmi? Unda Enter. Aks holda Esc: kimdir o‘qiyotgan
    bo‘lishi mumkin.
details-accept = Solishtirilgan kalitlarni qabul
file-too-long = Fayl juda katta: bitta xabarga 45 kB sig‘adi. Kichikrog‘ini tanlang.
file-empty = Fayl bo‘sh.
file-none = Bu yerda bunday harfli narsa yo‘q.
file-title = Fayl yuborish
file-path =
    Fayl qayerda (45 kB gacha). Suratdagi joy va qurilma ma’lumoti
    o‘chiriladi.
wipe-title = Hammasini o‘chirish
wipe-sure =
    Bu qurilmadagi kalitlar, xabarlar va kontaktlar darhol yo‘q qilinadi.
    Zaxirasiz hech narsa qaytmaydi. Buning uchun yozing: { $word }
wipe-word = o‘chir
details-name = Yangi ism, faqat shu qurilmada:
settings-title = Sozlamalar
settings-note = O‘zgarish darhol saqlanadi.
settings-unsaved = Saqlab bo‘lmadi. Chiqquningizcha amal qiladi.
set-lang = Til
set-theme = Ranglar
set-glyphs = Belgilar
set-mouse = Sichqoncha va bosish
set-notify = Bildirish
set-bell = Qo‘ng‘iroq
value-dark = qorong‘i ekran uchun
value-light = yorug‘ ekran uchun
value-mono = rangsiz
value-on = yoqilgan
value-off = o‘chirilgan
value-count = faqat soni
value-name = ism va soni
requests-title = So‘rovlar
requests-empty = Hech kim so‘ramayapti. ^K, Ochiq manzil hamma uchun qator yasaydi.
request-came = Kimdir suhbat so‘rayapti: ^K, Notanishlarning so‘rovlari.
request-unnamed = (ismsiz)
wifi-title = O‘sha Wi-Fi
wifi-say = Bir Wi-Fi tarmog‘ida xabarlar internetsiz yetkaziladi.
wifi-carry = Ular muhrlangan xabarlarni bu yerda yo‘q do‘stlarga eltadi.
wifi-note = Boshqalar kimdir Karvon ishlatayotganini ko‘radi, kimligini emas.
wifi-none = Bu qurilma mahalliy tarmoqda emas.
wifi-near = Hozir shu yerda: { $names }
address-title = Ochiq manzil
address-busy = Tugunlardan so‘rayapman…
address-none = Sizga faqat siz taklif qilganlar yetib keladi.
address-none-note =
    n tugmasi hamma uchun qator yasaydi: kimda u bo‘lsa, suhbat so‘rashi
    mumkin, javob berish sizga bog‘liq. Unda kimligingiz yozilmagan, lekin uni
    e’lon qilish Karvon ishlatishingizni bildiradi.
address-say = Bu qator kimda bo‘lsa, sizdan suhbat so‘rashi mumkin:
address-note = Javob: Notanishlarning so‘rovlari. Qator siz yopguncha ishlaydi.
address-new-sure = Yangi qator eskisini yopadi: n ni yana bosing.
address-end-sure = Bu qator bilan endi hech kim yetmaydi: e ni yana bosing.
doctor-title = Tabib
doctor-words = So‘z bilan
doctor-no-door =
    Bu qurilma tarmoqqa birorta eshikni bilmaydi. Ishonchli kishidan eshik
    yoki taklifnoma so‘rang va ^N ni bosing.
netcheck-no-door =
    Bu qurilma tarmoqqa birorta eshikni bilmaydi. Ishonchli kishidan eshik
    (karvon door add) yoki taklifnoma (karvon add) so‘rang.
doctor-connecting =
    Birorta eshik javob bermayapti. Internet bormi? Boshqa saytlar ochilsa,
    eshiklar ishlamayapti yoki to‘silgan: boshqasini so‘rang. Xabarlar omon
    va o‘zi ketadi.
doctor-connected =
    Eshik ochiq, lekin pochta qutilari hali javob bermadi. Odatda bu bir
    necha soniya. Yozganlaringiz omon.
doctor-online = Hammasi ishlayapti: yozganingiz darhol ketadi, boshqalarniki keladi.
doctor-one-operator =
    Hamma qutilar bitta operatorniki: u manzilingizni va qachon
    tarmoqdaligingizni ko‘radi (matnni emas). Boshqa odamlardan eshik oling.
doctor-doors = Eshiklar: { $n } tadan { $up } tasi ochiq
doctor-up = ochiq
doctor-down = javob bermayapti
doctor-mailboxes = Pochta qutilari: { $n } tadan { $up } tasi javob beradi
doctor-waiting = O‘z xabarlari: { $queued } qurilmada, { $stored } tugunlarda
doctor-traffic = Boshlangandan beri: { $in } qabul qilindi, { $out } yuborildi
doctor-data = Bu tarmoqdagi bugungi trafik: { $used }
doctor-data-capped = Bu tarmoqdagi bugungi trafik: { $cap } dan { $used } ({ $percent } %)
data-saving = Bugungi trafikning 80 % i sarflandi: fayl va kanallar kutadi
data-texts = Bugungi trafikning 95 % i sarflandi: tasdiqlar kutadi, matnlar boradi
data-spent = Bugungi trafik tugadi: xabarlar { $time } gacha kutadi. karvon data more
netcheck-testing = Eshiklar tekshirilmoqda, o‘n soniyagacha…
netcheck-works = Eshik ochiq: xabarlar hozir ketadi.
netcheck-no-internet =
    Bu qurilmada internet yo‘q. Xabarlar omon kutadi. Faylni qo‘lda uzatsa
    ham bo‘ladi: karvon bundle export.
netcheck-plain-cut =
    Bu tarmoq oddiy eshiklarni birinchi so‘zdayoq uzadi; veb-eshik ochiq va
    xabarlar u orqali ketadi.
netcheck-freeze =
    Bu tarmoq uzun ulanishlarni uzadi. Karvon mayda bo‘laklab yuboradi: matn
    o‘tadi, katta fayllar sekin ketadi.
netcheck-approved-only =
    Ulanish ochiladi, lekin birinchi so‘z turli tarmoqlardagi eshiklarda
    yo‘qoladi: bu yerda faqat ruxsat etilgan saytlar ochilsa kerak. Boshqa
    tarmoq, proksi yoki qo‘lda uzatilgan faylni sinang: karvon bundle
    export.
netcheck-approved-or-singled =
    Ulanish ochiladi, lekin birinchi so‘z yo‘qoladi. Yo bu tarmoqda faqat
    ruxsat etilgan saytlar ochiladi, yo aynan shu eshiklar tanib olinib
    o‘chiriladi. Boshqa tarmoq yoki boshqa eshik (yaxshisi veb-eshik)
    ko‘rsatadi.
netcheck-clock =
    Bu qurilma soati tugunlarnikidan taxminan { $off } (soat:daqiqa) farq
    qiladi; ehtimol shunisi xato. Soatni to‘g‘rilang, aks holda eshiklar
    ochilmasligi va xabarlar vaqti xato bo‘lishi mumkin.
netcheck-clock-or-certificate =
    Eshik saytining sertifikati muddati to‘g‘ri emas. Yo qurilma soati xato,
    yo sayt egasi uni yangilashi kerak.
netcheck-proxy-dead =
    Proksingiz javob bermayapti. Uni ishga tushiring yoki sozlamadan oling
    (network.proxy). Undan tashqari hech narsa ketmaydi.
netcheck-proxy-blocked =
    Proksi javob beradi, lekin u orqali birorta eshik ochilmaydi. Yo
    proksining o‘zida yo‘l yo‘q, yo bu eshiklarga yeta olmaydi.
netcheck-portal =
    Eshiklar o‘rniga boshqa narsa javob beryapti. Odatda bu Wi-Fi kirish
    sahifasi: brauzerda istalgan saytni ochib kiring. Bunday sahifa
    bo‘lmasa, kimdir o‘rtada turibdi: tarmoqni almashtiring.
netcheck-door-ended =
    Eshik javob beradi, lekin bu qurilmani endi kiritmaydi. Egasi uni yopgan
    yoki kimdir o‘rtada turibdi. Boshqa eshik so‘rang.
netcheck-refused =
    Eshik manzillari ulanishni rad etadi. Yo tugunlar o‘chiq, yo tarmoq ular
    o‘rniga rad etyapti. Boshqa tarmoq ko‘rsatadi; bo‘lmasa boshqa eshik
    so‘rang.
netcheck-silent =
    Birorta eshik manzili javob bermayapti. Yo manzillar bu yerda to‘silgan,
    yo tugunlar o‘chiq, yo router ortidagi liniya ishlamayapti. Boshqa
    saytlar ochilsa, boshqa eshik so‘rang.
netcheck-plain-only =
    Bu tarmoq oddiy eshiklarni taniydi va birinchi so‘zda uzadi. Veb-eshik
    so‘rang.
netcheck-counted =
    Bir necha daqiqa oldin ochiq eshiklar jim. Yo tarmoq ulanishlarni sanab
    bir necha daqiqa kutdiradi, yo manzillar hozirgina to‘sildi, yo liniya
    ishlamayapti. Karvon o‘zi tejab qayta urinadi.
netcheck-counted-open =
    Eshiklar biroz jim bo‘lib, yana ochildi. Tez-tez bo‘lsa, tarmoq
    ulanishlarni sanaydi; Karvon ularni kam ochadi.
netcheck-slow =
    Eshik ochiq, lekin liniya juda sekin. Matn o‘tadi, fayllar sekin ketadi.
netcheck-breaks =
    Ulanishlar ochilib, tugun javobigacha uziladi yoki to‘xtaydi. Yo liniya
    juda yomon, yo tarmoq xalaqit beradi. Karvon o‘zi qayta urinadi.
netcheck-mixed =
    Birorta eshik ochilmaydi, har biri o‘z sababi bilan: pastga qarang.
netcheck-version =
    Tugun Karvonning boshqa versiyasida. Ikki dasturning eskisini yangilash
    kerak.
netcheck-undecided =
    Shu vaqtda aniqlab bo‘lmadi. Bir daqiqadan keyin tekshiring: ulanishlar
    tejalyapti.
netcheck-transport =
    Eshikka olib boradigan transport ulanish bermayapti. Nima xatoligi
    quyida, eshik yonida yozilgan.
netcheck-unknown = Karvon { $code } topdi, bu versiyada uning so‘zi yo‘q.
netcheck-took = Tekshiruv { $code }: { $ms } ms, { $kb } kB
netcheck-frozen = yo‘lda uzilgan: { $n }
netcheck-saving = ulanishlar bu yerda tejaladi
netcheck-report-note =
    Faylda shu bo‘ladi, boshqa hech narsa. Saqlash uchun r ni yana bosing.
netcheck-at-open = ochiq, { $ms } ms
netcheck-at-quiet = ulangan, hozir javob bermayapti
netcheck-at-spare = zaxira, tekshirilmadi
netcheck-at-waiting = navbat kutyapti
netcheck-at-no-route = u yerga yo‘l yo‘q
netcheck-at-connect-silent = manzil javob bermayapti
netcheck-at-connect-refused = ulanishni rad etadi
netcheck-at-hello-silent = birinchi so‘z javobsiz
netcheck-at-hello-cut = birinchi so‘zda uzildi
netcheck-at-foreign = boshqa narsa javob beradi
netcheck-at-certificate-date = sertifikat muddati xato
netcheck-at-not-let-in = endi kiritmaydi
netcheck-at-wrong-relay = boshqa tugun javob beradi
netcheck-at-version = boshqa versiya
netcheck-at-broke = ochilgach uziladi
netcheck-at-proxy-gone = proksi javob bermayapti
netcheck-at-proxy-refused = proksi u yerga yetmaydi
netcheck-at-past-proxy = oddiy: proksi bilan ketmaydi
netcheck-at-transport = transport ulanish bermaydi
lock-title = qulflangan
lock-passphrase = Maxfiy ibora
lock-busy = Tekshirilmoqda…
lock-note = Xatodan keyin keyingi urinish uzoqroq bo‘ladi. Hech narsa o‘chirilmaydi.

# Yordam
help-title = Yordam
help-everywhere = Hamma joyda
help-chat = Suhbat
help-message = Tanlangan xabar
help-signs = Belgilar
help-find = odam yoki buyruqni topish
help-unread = keyingi o‘qilmagan suhbat
help-find-all = hamma xabarlardan qidirish
help-settings = sozlamalar
help-doctor = tabib: nega ulanmayapti?
help-lock = hozir qulflash
help-add = odam, eshik yoki kanal qo‘shish
help-invite = taklifnomamni ko‘rsatish
help-back = orqaga; eng yuqoridan menyuga
help-help = shu yordam
help-quit = chiqish
help-send = yuborish
help-newline = yangi satr
help-pane = boshqa bo‘lak
help-scroll = eski va yangi xabarlar
help-ends = birinchi va eng yangi xabar
help-editor = $EDITOR da yozish
help-details = bu kontakt, guruh yoki kanal haqida
help-file = fayl yuborish
help-erase = satrni o‘chirish
help-select = xabar tanlash
help-info = yo‘li va holati
help-copy = matnidan nusxa olish
help-forward = matnini uzatish
help-reply = javob, belgi, o‘zgartirish, qaytarish
help-actions = u bilan qilsa bo‘ladigan hamma ish
help-groups =
    Guruh va kanallar: ^K tuzadi; ^D a’zolar yoki havolani va chiqish
    yo‘lini ko‘rsatadi.
help-reader =
    Ekran o‘quvchi bilan: karvon read --follow satrma-satr chiqaradi, karvon
    send yozadi.
help-layouts = ^ bu Ctrl. Tugmalar kirill yozuvida ham ishlaydi: ^Л bu ^K.
sign-queued = bu qurilma diskida, yuboriladi; tok o‘chsa ham yo‘qolmaydi
sign-stored = tugunlar uni diskka yozdik deyishdi
sign-delivered = narigi tomon qurilmasi diskida
sign-read = narigi tomon ko‘rdi, agar bilishingizga ruxsat bersa
sign-held = aytilgan sabab bilan ushlab turilibdi; xabar saqlangan

# Birinchi ishga tushirish
wizard-title = birinchi ishga tushirish
wizard-step-language = til
wizard-step-name = ism
wizard-step-lock = qulf
wizard-step-connect = ulanish
language-unreviewed = hali so‘zlashuvchisi o‘qimagan
wizard-display = Bular to‘g‘ri ko‘rinishi kerak, aks holda oddiy belgilarni oling (Tab):
wizard-unicode = Unicode
wizard-plain = Oddiy
wizard-name = Suhbatdoshlar ko‘radigan ism (telefon ham, pochta ham emas)
wizard-name-missing = Ism yozing: istalgani bo‘ladi, keyin almashtirsa bo‘ladi.
wizard-lock = Bu qurilmadagi ma’lumot nima bilan qulflanadi?
wizard-lock-passphrase = Maxfiy iboram
wizard-lock-none = Qulfsiz: qurilmani olgan kishi hammasini o‘qiydi
wizard-passphrase = Bu qurilmani ochadigan ibora
wizard-passphrase-again = Xuddi shuni yana bir marta
wizard-passphrase-note = Unutsangiz, hammasi yo‘qoladi: hech kim tiklay olmaydi. Olti so‘z yaxshi.
wizard-passphrase-short = Juda qisqa: kamida 8 belgi, olti so‘z yaxshiroq.
wizard-passphrase-differs = Iboralar bir xil emas. Ikkinchisini qayta yozing.
wizard-connect = Qanday ulanasiz?
wizard-paste = Eshik yoki taklifnoma qo‘yish
wizard-demo = Namoyish: hammasini yolg‘iz, tarmoqsiz sinab ko‘rish
wizard-later = Keyinroq: hozircha ikkalasi ham yo‘q
wizard-later-note =
    Eshik: ko‘ngillining tuguni manzili. U Karvon ishlatadigan kishining
    taklifnomasi bilan yoki tugun egasidan satr bo‘lib keladi. Ungacha
    ko‘rib turing, hech narsa yo‘qolmaydi.
wizard-unaudited = Karvon sinov bosqichida va auditdan o‘tmagan.

too-small = Oynani kattalashtiring yoki buni ishlating: karvon read

# Xatolar: nima bo‘ldi va nima qilish kerak
error-unknown = Bo‘lmadi ({ $code }). Yana urinib ko‘ring.
error-invite-damaged = Taklifnoma buzilgan. Uni asli bilan harfma-harf solishtiring.
error-invite-newer = Taklifnoma yangiroq Karvonda yasalgan. Avval buni yangilang.
error-invite-used =
    Bu taklifnoma allaqachon ishlatilgan. Siz ishlatmagan bo‘lsangiz,
    yangisini so‘rang va do‘stingizga ayting.
error-invite-expired = Bu taklifnoma eskirgan. Yangisini so‘rang.
error-invite-own = Bu o‘zingizning taklifnomangiz. Uni suhbatlashmoqchi bo‘lgan kishiga bering.
error-door-damaged = Eshik satri buzilgan. KARVON-DOOR: dan oxirigacha qayta nusxalang.
error-transport-damaged = pt= dan keyingisi buzilgan. O‘sha satrni butunlay qayta nusxalang.
error-transport-unknown = Bu transport bu yerda noma’lum. obfs4 yoki webtunnel bilan satr so‘rang.
error-transport-missing = Transport dasturi o‘rnatilmagan. Uni o‘rnating, masalan obfs4proxy.
error-transport-not-executable =
    Transport dasturini ishga tushirishga ruxsat yo‘q. Unga ruxsat bering.
error-transport-not-started = Tizim transport dasturini ishga tushirmayapti. Uni qayta o‘rnating.
error-transport-crashed =
    Transport dasturi o‘zi to‘xtab qolyapti. U qayta ishga tushadi;
    bo‘lmasa, boshqa versiyasini o‘rnating.
error-transport-slow = Transport dasturi tayyor bo‘lmayapti. U o‘zi qayta ishga tushadi.
error-transport-version = Transport dasturi juda eski yoki juda yangi. Boshqa versiyasini o‘rnating.
error-transport-not-offered = O‘rnatilgan dasturda bu transport yo‘q. Boshqasini o‘rnating.
error-transport-proxy =
    Transport dasturi proksingiz orqali o‘ta olmaydi. Proksini o‘chiring
    yoki almashtiring.
error-transport-setup = Transport dasturini sozlab bo‘lmadi. Batafsil: karvon door list
error-transport-junk = O‘rnatilgani transport dasturi emas. To‘g‘risini sozlamalar fayliga yozing.
error-transport-broken =
    Transport dasturi aloqani uzdi. Yana uriniladi; bo‘lmasa, boshqa
    versiyasini o‘rnating.
error-transport-line = Transport eshik satrini qabul qilmayapti. pt= dan keyingisini solishtiring.
error-transport-server =
    Transport serveri javob bermayapti. Boshqa tarmoqni sinang yoki boshqa
    satr so‘rang.
error-transport-unanswered = Transport orqali hech kim javob bermayapti. Boshqa tarmoq yoki eshikni sinang.
error-transport-behind = Transport ishlayapti, lekin ortidagi eshik ochilmayapti. Egasiga ayting.
error-no-such-contact = Kontaktlarda bunday ism yo‘q. Ro‘yxatdan tanlang.
error-ambiguous = Bir nechta kontakt mos keldi. Ismni to‘liqroq yozing.
error-no-such-message = Bu xabar endi bu yerda yo‘q. Orqaga qayting va boshqasini tanlang.
error-too-long = Matn bitta xabar uchun uzun. Uni bo‘lib-bo‘lib yuboring.
error-not-yours = Xabarni faqat muallifi o‘zgartira yoki qaytarib ola oladi.
error-unchangeable = Bu xabarda o‘zgartiriladigan yoki uzatiladigan matn yo‘q.
error-empty = Yuboradigan narsa yo‘q. Avval biror narsa yozing.
error-limit = Chegaraga yetildi. Avval nimanidir o‘chiring.
error-no-door = Hozircha tarmoqqa eshik yo‘q. ^N bilan qo‘shing.
error-request-too-long = Ochiq manzilga birinchi matn ko‘pi bilan 280 bayt. Qisqaroq yozing.
error-no-such-request = Bunday so‘rov endi yo‘q.
error-no-mailbox = Hozircha hech bir rele qutingizni saqlamaydi. Ulanishni kutib qaytaring.
error-busy = Band. Birozdan keyin qaytaring.
error-data-cap = Bugungi trafik deyarli tugadi: fayllar kutadi. karvon data more
error-store = Qurilma diski ishlamadi. Joy bo‘shating yoki diskni tekshirib, qayta boshlang.
error-locked = Profil qulflangan. Uni maxfiy ibora bilan oching.
error-wrong-passphrase = Ibora noto‘g‘ri. Klaviatura tilini tekshirib, qayta yozing.
error-wait =
    Xatolar ko‘payib ketdi. Biroz kutib, yana urinib ko‘ring. Hech narsa
    o‘chmaydi.
error-no-passphrase =
    Profilning iborasi yo‘q, qulflab bo‘lmaydi. Uni belgilang: karvon
    passphrase
error-blocked = Bu kontakt to‘silgan. Avval to‘siqni oling (^D).
error-key-changed = Kalitlari o‘zgardi. Xavfsizlik raqamini solishtirib, qabul qiling (^D).
error-not-connected = Birinchi javobi hali kelmadi. Kuting.
error-io = Faylni o‘qib yoki yozib bo‘lmadi. Nomi va joyini tekshiring.
error-picture =
    Suratni yashirin ma’lumotdan tozalab bo‘lmadi. Uni JPEG qilib qayta
    saqlang.
error-closed = Tugun javob bermasdan to‘xtadi. Karvonni qayta ishga tushiring.
error-unavailable = Hozir buning iloji yo‘q. Keyinroq urinib ko‘ring.
error-version = Boshqa nusxadagi tugun ishlab turibdi. Uni to‘xtating: karvon down
error-bad-request = Tugun tushunmadi. Karvonni yangilab, yana urinib ko‘ring.
error-no-such-group = Bu guruh endi bu yerda yo‘q.
error-no-such-channel = Bu kanal endi bu yerda yo‘q.
error-no-such-member = Bu a’zo endi guruhda yo‘q. A’zolarga qayta qarang.
error-not-member = Siz bu guruhda emassiz, shuning uchun bo‘lmaydi.
error-not-allowed = Guruhdagi rolingiz bunga ruxsat bermaydi. Mudirdan so‘rang.
error-already-member = Bu odam allaqachon guruhda.
error-link-damaged = Havola buzilgan. KARVON-CHANNEL: dan oxirigacha qayta nusxalang.
error-link-newer = Havola yangiroq Karvonda yasalgan. Avval buni yangilang.
