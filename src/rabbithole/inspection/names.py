"""What names of columns usually mean, in several languages and styles."""

import unicodedata
from typing import Literal

Role = Literal["time", "date", "clock", "offset", "session", "visitor", "event", "item", "category", "cost"]


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a text, which holds one or more lines of them."""
    return tuple(text.split())


NAMES: dict[Role, tuple[str, ...]] = {
    "time": split_words(
        """
        event_time event_timestamp timestamp datetime date_time event_datetime event_date_time time_stamp
        derived_tstamp collector_tstamp occurred_at occurred_on happened_at event_ts ts tstamp time
        zeitstempel zeitpunkt horodatage date_heure datum_uhrzeit fecha_hora marca_de_tiempo data_hora
        data_ora tijdstip tijdstempel znacznik_czasu tidpunkt 时间 時刻 タイムスタンプ click_time
        view_time visit_time log_time request_time server_time client_time local_time hit_time action_time
        behavior_time purchase_time order_time transaction_time created_at created created_on received_at
        invoice_date order_date sent_at logged_at event_created_at event_date date_created zeit uhrzeit heure
        hora ora tijd czas tid cas date datum fecha data dato unixtime unix_time epoch epoch_time epoch_ms
        время дата_время дата_и_время zaman tarih_saat 日時 시간 일시 дата tarih 日付
        行为时间 访问时间 事件时间 datum_tijd data_godzina
        """
    ),
    "date": split_words(
        """
        date event_date day datum tag jour fecha data dia giorno dag dato session_date visit_date
        дата день tarih 日付
        """
    ),
    "clock": split_words(
        """
        time hour_minute hourmin trans_time clock uhrzeit zeit heure hora ora tijd czas time_of_day event_time
        local_time tid visit_time
        """
    ),
    "offset": split_words(
        """
        timeframe time_frame offset time_offset elapsed elapsed_ms ms_since_start time_since_start
        session_offset seconds_since_start since_start elapsed_seconds elapsed_time session_time
        time_of_day second_of_day seconds_of_day ms_of_day time_in_day
        """
    ),
    "session": split_words(
        """
        session session_id user_session ga_session_id domain_sessionid web_session session_token
        session_key visit visit_id idvisit visit_number sid sess sess_id sessid jsessionid phpsessid sitzung
        sitzungs_id sesion id_sesion sessao id_sessao sessione id_sessione sessie sessie_id sesja id_sesji
        seance id_session id_seance besuch besuchs_id visite id_visite visita id_visita 会话 セッション
        sessions_id clickstream_id
        сессия id_сессии сеанс визит oturum oturum_id relace 세션 会话id セッションid 세션id
        """
    ),
    "visitor": split_words(
        """
        visitor visitor_id mcvisid visid_high post_visid_high household_key household_id
        user_pseudo_id domain_userid anonymous_id full_visitor_id cookie cookie_id
        client_id device_id browser_id user user_id uid userid username customer customer_id cust_id
        shopper shopper_id member member_id account account_id person person_id buyer_id consumer_id
        besucher besucher_id nutzer nutzer_id benutzer benutzer_id kunde kunden kunden_nr kundennummer
        kunden_id utilisateur id_utilisateur visiteur id_visiteur client id_client usuario id_usuario
        cliente id_cliente visitante id_visitante utente id_utente visitatore gebruiker gebruiker_id klant
        klant_id uzytkownik id_uzytkownika klient id_klienta anvandare kund 用户 用户id ユーザー
        hashed_user user_hash idvisitor distinct_id email e_mail mail customer_email user_email
        пользователь id_пользователя клиент id_клиента покупатель посетитель kullanici kullanici_id musteri
        musteri_id ziyaretci uzivatel id_uzivatele zakaznik id_zakaznika користувач 会員 顧客 사용자 회원 고객
        客户 会员 guest guest_id actor actor_id
        """
    ),
    "event": split_words(
        """
        event_type event event_name eventname action action_type action_name behavior_type behaviour_type
        behavior behaviour user_action event_action activity activity_type interaction interaction_type
        verb evt type_of_event hit_type aktion ereignis ereignistyp ereignisart evenement type_evenement
        accion evento tipo_evento acao azione tipo_azione actie gebeurtenis zdarzenie typ_zdarzenia akcja
        handelse 行为 行为类型 イベント page_type webpage page_category page_name step type
        событие тип_события действие olay islem udalost akce подія 行動 이벤트 행동 事件 事件类型
        イベント種別 seitentyp seitenname
        """
    ),
    "item": split_words(
        """
        item item_id product product_id prod_id sku sku_id article article_id artikel artikel_nr
        artikelnummer artikel_id produkt produkt_id produkt_nr produit id_produit producto id_producto
        articulo id_articulo produto id_produto prodotto id_prodotto articolo produktu id_produktu
        product_sku product_code item_code goods goods_id asin aid iid pid listing listing_id offer_id
        stock_code variant_id content_id movie movie_id film film_id track track_id track_name song song_id
        hotel hotel_id recipe_id game_id book_id isbn ean gtin
        商品 商品id 商品編號 vare varenummer tuote items
        towar towaru id_towaru товар id_товара артикул продукт id_продукта
        urun urun_id urun_kodu vyrobek zbozi 품목 상품 产品 物品
        """
    ),
    "category": split_words(
        """
        category_code category_path category category_id category_name cat cat_id cate item_category
        product_category product_type taxonomy department dept breadcrumb genre kategorie kategorie_id
        kategoriepfad categorie id_categorie rubrique rayon categoria id_categoria categorie_id kategoria
        id_kategorii kategori 类目 类别 カテゴリ warengruppe abteilung section categories
        категория id_категории раздел категорія 카테고리 商品类目 商品类别 商品カテゴリ 상품카테고리
        """
    ),
    "cost": split_words(
        """
        price unit_price item_price product_price sale_price sales_price list_price price_eur price_usd
        price_gbp cost
        amount preis einzelpreis betrag prix prix_unitaire montant precio precio_unitario importe preco
        valor prezzo importo prijs bedrag cena kwota pris hinta 价格 価格
        цена стоимость ціна fiyat tutar 가격 单价 金额 単価 金額
        """
    ),
}
"""Names by role, the surest first. Spaces, case, accents and `_` do not count."""

DATE_PARTS = (
    (frozenset(split_words("year yr jahr annee ano anno jaar rok год 年")), (1990, 2099)),
    (frozenset(split_words("month monat mois mes mese maand miesiac месяц 月")), (1, 12)),
    (frozenset(split_words("day dayofmonth tag jour dia giorno dag dzien день 日")), (1, 31)),
)
"""Names of columns with the parts of a date, and between what their numbers are: year, month and day."""

CLOCK_PARTS = frozenset(split_words("hour hourofday hr stunde heure hora ora uur godzina час 時"))
"""Names of columns with the hour of the day."""

ENDINGS = split_words(
    """
    id ids nr no number num key uuid guid hash code ref value nummer numero numer
    编号 編號 番号 コード 번호 코드
    """
)
"""Endings that a name may have besides."""

BEGINNINGS = frozenset(
    split_words(
        """
        id code codigo codice cod kod код numero number num nr no nummer ref reference referencia identifiant
        identificador identificativo identyfikator identifikator номер
        """
    )
)
"""Words before the name of a thing: `numéro de session`."""

SMALL_WORDS = frozenset(
    split_words("a and d da de del della der des di die do du e en et in la le of the und y")
)
"""Words between others that say nothing."""

CURRENCIES = frozenset(
    split_words(
        """
        brl chf cny czk dkk dollar eur euro euros gbp inr jpy krw kr lei nok pln rmb rub sek try uah usd yen
        zl руб грн тг incl inkl tax vat ttc ht mwst brutto netto gross iva btw moms kdv
        """  # noqa: RUF001
    )
)
"""Words beside the name of a price: its currency, or whether it contains the tax."""

ORDERS = frozenset(
    split_words(
        """
        auftrag bestellid bestelling bestellnummer bestellung checkoutid commande idcommande idordine idpedido
        invoice invoiceid invoiceno numcommande order orderid orderno ordernumber ordine payment paymentid
        pedido purchaseid receipt receiptid scontrino transaction transactionid transid txid txnid zamowienie
        """
    )
)
"""Names of columns that number purchases."""

ANSWERS = frozenset(
    split_words(
        """
        bestellt hasorder isbuy isorder ordered orderflag orders purchase transactions
        achat achete acquistato acquisto bought boughtnumber buy buyer chiffreaffaires compra comprado compro
        conversion converted gekauft gekocht haspurchase haspurchased isbuyer isconverted ispurchase kauf
        booked booking bookings isbooked isbooking isreservation
        label numpurchases ordertotal ordervalue outcome purchased purchaseflag purchases purchasevalue
        purchaseflg revenue target totalrevenue transactionrevenue umsatz willbuy
        """
    )
)
"""Names of columns that say who buys."""

ANSWER_PARTS = frozenset(
    split_words("achete acquistato bought comprado conversion conversions converted gekauft purchased")
)
"""Parts of such names, as in `visitConverted` or `conversion_id`."""

UNDONE = (
    "cancel",
    "refund",
    "return",
    "void",
    "fail",
    "declin",
    "storn",
    "retour",
    "annul",
    "rembours",
    "anulad",
    "cancelad",
    "devuelt",
    "geannuleerd",
    "отмен",
    "возврат",
    "取消",
    "退款",
)
"""Parts of words for orders that were not kept, as in the column of their status."""

KNOWN_AT_END = frozenset(
    split_words(
        """
        bounce bounced bounces isbounce isbounced isexit exitpage exitpageid exiturl lastpage sessionduration
        sessionend sessionlength timeonsite totalhits totalpageviews totaltimeonsite
        visitduration visitlength visittotalactions
        """
    )
)
"""Names of columns that say of a session what is only known when it has ended."""

CODES = frozenset(
    split_words(
        """
        brand browser campaign category channel city code color colour country id key model nr no os platform
        plz region seller shop site state store type zip
        """
    )
)
"""Last words of names of columns whose numbers are codes, which have no size."""

QUANTITIES = frozenset(
    split_words(
        """
        aantal amountofitems anzahl cantidad count ilosc menge qty quantidade quantita quantite quantity units
        """
    )
)
"""Names of columns that say how many were bought."""

YES, NO = (
    frozenset(split_words("1 1.0 true t yes y ja j oui si sim tak ano evet да так 是 はい 예")),
    frozenset(split_words("0 0.0 false f no n nein nee nej non nao nie ne hayir нет ні 否 いいえ 아니오")),
)
"""How tables write that something is so, and that it is not, in lower case without accents."""

PLAIN = str.maketrans({"ß": "ss", "ł": "l", "ø": "o", "æ": "ae", "ı": "i", "đ": "d"})  # noqa: RUF001
"""Letters that Unicode does not take apart into a plain one and its accent."""


def without_accents(text: str) -> str:
    """Return a text in lower case without accents: `Größe` is grosse, `añadir` anadir."""
    apart = unicodedata.normalize("NFKD", text.lower().translate(PLAIN))
    return "".join(char for char in apart if not unicodedata.combining(char))


def is_yes(text: str) -> bool:
    """Return whether a text says that something is so."""
    return without_accents(text.strip()) in YES


def is_yes_or_no(text: str) -> bool:
    """Return whether a text says that something is so, or that it is not."""
    return is_yes(text) or without_accents(text.strip()) in NO


def squeezed(name: str) -> str:
    """Return a name in lower case without accents and without anything between its words."""
    return "".join(char for char in without_accents(name) if char.isalnum())
