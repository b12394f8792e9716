"""What names of columns and words of events usually mean, in several languages and styles."""

import unicodedata
from typing import Literal

Role = Literal["time", "date", "clock", "offset", "session", "visitor", "event", "item", "category", "cost"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES: dict[Role, tuple[str, ...]] = {
    "time": _words(
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
    "date": _words(
        """
        date event_date day datum tag jour fecha data dia giorno dag dato session_date visit_date
        дата день tarih 日付
        """
    ),
    "clock": _words(
        """
        time hour_minute hourmin trans_time clock uhrzeit zeit heure hora ora tijd czas time_of_day event_time
        local_time tid visit_time
        """
    ),
    "offset": _words(
        """
        timeframe time_frame offset time_offset elapsed elapsed_ms ms_since_start time_since_start
        session_offset seconds_since_start since_start elapsed_seconds elapsed_time session_time
        """
    ),
    "session": _words(
        """
        session session_id user_session ga_session_id domain_sessionid web_session session_token
        session_key visit visit_id visit_number sid sess sess_id sessid jsessionid phpsessid sitzung
        sitzungs_id sesion id_sesion sessao id_sessao sessione id_sessione sessie sessie_id sesja id_sesji
        seance id_session id_seance besuch besuchs_id visite id_visite visita id_visita 会话 セッション
        sessions_id clickstream_id
        сессия id_сессии сеанс визит oturum oturum_id relace 세션 会话id セッションid 세션id
        """
    ),
    "visitor": _words(
        """
        visitor visitor_id mcvisid visid_high household_key household_id
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
        客户 会员 guest guest_id
        """
    ),
    "event": _words(
        """
        event_type event event_name eventname action action_type action_name behavior_type behaviour_type
        behavior behaviour user_action event_action activity activity_type interaction interaction_type
        verb type_of_event hit_type aktion ereignis ereignistyp ereignisart evenement type_evenement
        accion evento tipo_evento acao azione tipo_azione actie gebeurtenis zdarzenie typ_zdarzenia akcja
        handelse 行为 行为类型 イベント page_type webpage page_category page_name step type
        событие тип_события действие olay islem udalost akce подія 行動 이벤트 행동 事件 事件类型
        イベント種別 seitentyp seitenname
        """
    ),
    "item": _words(
        """
        item item_id product product_id prod_id sku sku_id article article_id artikel artikel_nr
        artikelnummer artikel_id produkt produkt_id produkt_nr produit id_produit producto id_producto
        articulo id_articulo produto id_produto prodotto id_prodotto articolo produktu id_produktu
        product_sku product_code item_code goods goods_id asin aid iid pid listing listing_id offer_id
        stock_code variant_id content_id movie movie_id film film_id track track_id track_name song song_id
        hotel hotel_id recipe_id game_id book_id isbn ean gtin
        商品 商品id 商品編號 vare varenummer tuote items
        товар id_товара артикул продукт id_продукта urun urun_id urun_kodu vyrobek zbozi 품목 상품 产品 物品
        """
    ),
    "category": _words(
        """
        category_code category_path category category_id category_name cat cat_id cate item_category
        product_category product_type taxonomy department dept breadcrumb genre kategorie kategorie_id
        kategoriepfad categorie id_categorie rubrique rayon categoria id_categoria categorie_id kategoria
        id_kategorii kategori 类目 类别 カテゴリ warengruppe abteilung section categories
        категория id_категории раздел категорія 카테고리 商品类目 商品类别 商品カテゴリ 상품카테고리
        """
    ),
    "cost": _words(
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
    (frozenset(_words("year yr jahr annee ano anno jaar rok год 年")), (1990, 2099)),
    (frozenset(_words("month monat mois mes mese maand miesiac месяц 月")), (1, 12)),
    (frozenset(_words("day dayofmonth tag jour dia giorno dag dzien день 日")), (1, 31)),
)
"""Names of columns with the parts of a date, and between what their numbers are: year, month and day."""

CLOCK_PARTS = frozenset(_words("hour hourofday hr stunde heure hora ora uur godzina час 時"))
"""Names of columns with the hour of the day."""

ENDINGS = _words(
    """
    id ids nr no number num key uuid guid hash code ref value nummer numero numer
    编号 編號 番号 コード 번호 코드
    """
)
"""Endings that a name may have besides."""

BEGINNINGS = frozenset(
    _words(
        """
        id code codigo codice cod kod код numero number num nr no nummer ref reference referencia identifiant
        identificador identificativo identyfikator identifikator номер
        """
    )
)
"""Words before the name of a thing: `numéro de session`."""

SMALL_WORDS = frozenset(_words("a and d da de del della der des di die do du e en et in la le of the und y"))
"""Words between others that say nothing."""

CURRENCIES = frozenset(
    _words(
        """
        brl chf cny czk dkk dollar eur euro euros gbp inr jpy krw kr lei nok pln rmb rub sek try uah usd yen
        zl руб грн тг incl inkl tax vat ttc ht mwst brutto netto gross iva btw moms kdv
        """  # noqa: RUF001
    )
)
"""Words beside the name of a price: its currency, or whether it contains the tax."""

ORDERS = frozenset(
    _words(
        """
        auftrag bestellid bestelling bestellnummer bestellung checkoutid commande idcommande idordine idpedido
        invoice invoiceid invoiceno numcommande order orderid orderno ordernumber ordine payment paymentid
        pedido purchaseid receipt receiptid scontrino transaction transactionid transid txid txnid zamowienie
        """
    )
)
"""Names of columns that number purchases."""

ANSWERS = frozenset(
    _words(
        """
        bestellt hasorder isbuy isorder ordered orderflag purchase
        achat achete acquistato acquisto bought boughtnumber buy buyer chiffreaffaires compra comprado compro
        conversion converted gekauft gekocht haspurchase haspurchased isbuyer isconverted ispurchase kauf
        label numpurchases ordertotal ordervalue outcome purchased purchaseflag purchases purchasevalue
        purchaseflg revenue target totalrevenue transactionrevenue umsatz willbuy
        """
    )
)
"""Names of columns that say who buys."""

ANSWER_PARTS = frozenset(
    _words("achete acquistato bought comprado conversion conversions converted gekauft purchased")
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
    _words(
        """
        bounce bounced bounces isbounce isbounced isexit exitpage exitpageid exiturl lastpage sessionduration
        sessionend sessionlength timeonsite totalhits totalpageviews totaltimeonsite
        visitduration visitlength visittotalactions
        """
    )
)
"""Names of columns that say of a session what is only known when it has ended."""

CODES = frozenset(
    _words(
        """
        brand browser campaign category channel city code color colour country id key model nr no os platform
        plz region seller shop site state store type zip
        """
    )
)
"""Last words of names of columns whose numbers are codes, which have no size."""

QUANTITIES = frozenset(
    _words(
        """
        aantal amountofitems anzahl cantidad count ilosc menge qty quantidade quantita quantite quantity units
        """
    )
)
"""Names of columns that say how many were bought."""

VIEW = _words(
    """
    view view_item product_viewed product_view productview item_view view_product viewed detail
    product_detail detail_view item_detail click clicks clicked pv page_view pageview pageviews
    view_details viewed_product visit browse impression_click ansicht angesehen aufruf produktansicht
    klick artikelansicht seitenaufruf produktaufruf artikelaufruf
    vue consultation voir clic vista ver visualizacao visualizzazione visualizacion bekeken weergave
    wyswietlenie widok visning 浏览 点击 閲覧 look
    просмотр просмотр_товара перегляд goruntuleme zobrazeni 조회 상품조회 商品閲覧 wyswietlenie_produktu
    visualizou_produto visualizou produktseite detailseite product_page
    fiche_produit ficha_producto pagina_prodotto
    """
)
"""Words for a look at an item, the surest first."""

CART = _words(
    """
    addtocart add_to_cart product_added product_added_to_cart cart carts add_cart addcart cart_add
    added_to_cart add_to_basket addtobasket basket add_basket add_to_bag add_bag warenkorb
    in_den_warenkorb panier ajout_panier ajouter_au_panier carrito anadir_al_carrito agregar_al_carrito
    carrinho adicionar_ao_carrinho carrello aggiungi_al_carrello winkelwagen in_winkelwagen koszyk
    dodaj_do_koszyka varukorg kundvagn 加购 加入购物车 カート
    корзина в_корзину добавление_в_корзину кошик sepet sepete_ekle kosik do_kosiku pridat_do_kosiku
    カートに追加 カート追加 カート投入 장바구니 장바구니담기 加购物车 加入购物车 加车 add
    """
)
"""Words for adding to the cart."""

BARE_CART = _words(
    """
    cart carts basket warenkorb panier carrito carrinho carrello winkelwagen koszyk varukorg kundvagn
    корзина кошик sepet kosik カート 장바구니
    """
)
"""Words that also name the page of the cart."""

PURCHASE = _words(
    """
    purchase purchased transaction orders_placed buy bought buys order orders ordered order_complete
    order_completed completed_order order_placed placed_order ecommerce_purchase checkout_complete
    checkout_completed purchase_complete sale sold kauf gekauft bestellung bestellt achat achete commande
    compra comprar pedido compro acquisto acquistato ordine aankoop gekocht bestelling zakup zakupiono
    zamowienie kop kopt 购买 購入 order_confirmation order_confirmed payment_success payment_successful
    payment_complete paid thank_you thankyou order_success purchase_success product_purchase
    покупка заказ куплено замовлення satin_alma satin_alim siparis nakup objednavka 注文 구매 주문
    bestellung_abgeschlossen bestellung_aufgegeben bestellbestatigung kaufabschluss commande_confirmee
    commande_passee pedido_realizado compra_realizada compra_finalizada ordine_completato
    bestelling_geplaatst order_received ecommerce_order comprou comprato купил 購入完了 注文完了
    成交 已购买 支付成功 付款成功 구매완료 결제완료 주문완료
    """
)
"""Words for a purchase."""

LIKELY_PURCHASE = _words(
    """
    pay_res payment_result pay_result pay_ok checkout_success success confirmation conversion booking booked
    reservation 支付 付款 下单
    """
)
"""Words that probably mean a purchase, which the written section says."""

BOUGHT = frozenset(
    _words(
        """
        purchase purchases order checkout payment transaction ecommerce buy sale achat commande paiement
        compra pedido pago pagamento acquisto ordine kauf bestellung zahlung aankoop bestelling betaling zakup
        zamowienie platnosc kop bestallning заказ покупка оплата siparis nakup objednavka
        """
    )
)
"""Parts of words for events that name a purchase."""

DONE = frozenset(
    _words(
        """
        complete completed completion confirm confirmed confirmation done finish finished made paid placed
        submitted succeeded success successful termine terminee confirme confirmee effectue effectuee passee
        validee reussi realizada realizado completada completado finalizada finalizado confirmada confirmado
        concluida concluido efetuada aprovado completato completata confermato confermata effettuato
        abgeschlossen aufgegeben bestatigt erfolgreich afgerond geplaatst bevestigd voltooid zlozone
        zakonczone oplacone slutfort slutford оформлен оформлена завершен завершена подтвержден оплачен
        оплачена совершена tamamlandi onaylandi dokoncena odeslana
        """
    )
)
"""Parts of words for events that say that something was done."""

NOT_YET = frozenset(
    _words(
        """
        abandon abandoned begin begun cancel canceled cancelled click clicked error fail failed filter history
        intent method page refund refunded remove removed return returned start started step view viewed
        """
    )
)
"""Parts of words for events that say that a purchase was not made, or not yet."""

CART_STEMS = _words(
    """
    cart basket warenkorb panier carrito carrinho carrello winkelwagen winkelmand koszyk varukorg kundvagn
    корзин кошик sepet kosik カート 购物车 장바구니
    """
)
"""Beginnings of words for a cart."""

ADD_STEMS = _words(
    """
    added adding ajout anad agreg aggiun adicion hinzu gelegt toegevoegd dodan dodaj lagd lagt добав ekle prid
    追加 加入 담기 추가
    """
)
"""Beginnings of words that say that something was added."""

MAYBE_PURCHASE = _words(
    """
    checkout payment pay check_out kasse kassa caisse checkout_payment begin_checkout
    оплата odeme platba 결제
    """
)
"""Words that may mean a purchase or only the way to one."""


PLAIN = str.maketrans({"ß": "ss", "ł": "l", "ø": "o", "æ": "ae", "ı": "i", "đ": "d"})  # noqa: RUF001
"""Letters that Unicode does not take apart into a plain one and its accent."""


def without_accents(text: str) -> str:
    """Return a text in lower case without accents: `Größe` is grosse, `añadir` anadir."""
    apart = unicodedata.normalize("NFKD", text.lower().translate(PLAIN))
    return "".join(char for char in apart if not unicodedata.combining(char))


def squeezed(name: str) -> str:
    """Return a name in lower case without accents and without anything between its words."""
    return "".join(char for char in without_accents(name) if char.isalnum())
